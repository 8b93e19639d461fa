"""This server beside the bare session loop: what HTTP, scheduling, sampling and detokenizing cost a decode step."""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from pathlib import Path

import httpx
import numpy as np
from servers import CONTEXT_LENGTH, ours
from workloads import complete, text

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.plugins.choice import choose_backend
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, Session, SlotTokens, discover

NUM_TOKENS = 96
FIELDS = {"defaults": {}, "greedy": {"temperature": 0, "repeat_penalty": 1.0}, "logprobs=5": {"logprobs": 5}}


def open_session(model: str, weights: str = "int8") -> tuple[Session, Path]:
    """Return a session, and its model's folder."""
    path = resolve_model(model, task=GENERATE, cache_dir=Settings.read().cache_dir, weights=weights)
    return choose_backend(None, path, discover()).open(path, OpenOptions(context_length=CONTEXT_LENGTH)), path


def bare_step_s(session: Session, batch_size: int, seed: int) -> float:
    """Return the median seconds of a greedy decode step of ``batch_size`` sequences with 30 tokens of past."""
    rng = np.random.default_rng(seed)
    for slot in range(batch_size):
        session.truncate(slot, 0)
        session.step([SlotTokens(slot, rng.integers(100, 5000, 30))])
    tokens = [400 + slot for slot in range(batch_size)]
    times = []
    for _ in range(NUM_TOKENS):
        started = time.perf_counter()
        output = session.step([SlotTokens(slot, np.array([token])) for slot, token in enumerate(tokens)])
        assert output.top_token_ids is not None
        tokens = output.top_token_ids[:, 0].tolist()
        times.append(time.perf_counter() - started)
    return statistics.mean(times)


async def served_step_s(url: str, batch_size: int, seed: int, fields: dict[str, object]) -> float:
    """Return the seconds of a decode step over HTTP: the difference between a long and a short generation."""
    async with httpx.AsyncClient(base_url=url, timeout=300) as client:
        prompts = [text(random.Random(seed + at), 25) for at in range(batch_size)]

        async def run(num_tokens: int) -> float:
            body = {"max_tokens": num_tokens, "min_tokens": num_tokens, "seed": 1} | fields
            started = time.perf_counter()
            await asyncio.gather(*(complete(client, prompt=prompt, **body) for prompt in prompts))
            return time.perf_counter() - started

        short = await run(8)  # the same prompts again: both find them cached
        short = await run(8)
        return (await run(8 + NUM_TOKENS) - short) / NUM_TOKENS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    options = parser.parse_args()
    session, _ = open_session(options.model)
    server = ours(options.model)
    server.start()
    print(f"{'medians':26} {'bare ms':>8} {'HTTP ms':>8}   HTTP / bare (target: at most 1.10)")
    try:
        for batch_size in (1, 8):
            for name, fields in FIELDS.items():
                bare, served = [], []
                for seed in range(-1, options.rounds):
                    bare.append(1e3 * bare_step_s(session, batch_size, seed + 1))
                    served.append(1e3 * asyncio.run(served_step_s(server.url, batch_size, seed + 1, fields)))
                ratios = [b / a for a, b in zip(bare[1:], served[1:], strict=True)]
                print(
                    f"batch {batch_size}, {name:15} {statistics.median(bare[1:]):8.2f}"
                    f" {statistics.median(served[1:]):8.2f}   {statistics.median(ratios):.3f}"
                    f" ({min(ratios):.3f} to {max(ratios):.3f})",
                    flush=True,
                )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
