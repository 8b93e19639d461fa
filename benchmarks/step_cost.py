"""CPU time of a decode step and of a prompt beside llama.cpp's library, in one process, with one thread each, in turns.

Unlike a wall clock, it holds on a machine that others use; but of two threads, which share the memory, it says nothing.
Needs llama-cpp-python in the same environment.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import llama_cpp
import numpy as np
from servers import CONTEXT_LENGTH

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.plugins.choice import choose_backend
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, SlotTokens, discover

Reads = Callable[[list[int], bool], None]
"""Computes tokens behind those before them, or of a new sequence."""


def ours(path: Path, weights: str) -> Reads:
    folder = resolve_model(str(path), task=GENERATE, cache_dir=Settings.read().cache_dir, weights=weights)
    extra = {"intra_op_num_threads": "1", "provider": "cpu"}
    options = OpenOptions(num_slots=1, context_length=CONTEXT_LENGTH, extra=extra)
    session = choose_backend(None, folder, discover()).open(folder, options)

    def read(token_ids: list[int], is_new: bool) -> None:
        if is_new:
            session.truncate(0, 0)
        session.step([SlotTokens(0, np.array(token_ids))])

    return read


def theirs(path: Path) -> Reads:
    model = llama_cpp.Llama(str(path), n_ctx=CONTEXT_LENGTH, n_threads=1, n_threads_batch=1, verbose=False)

    def read(token_ids: list[int], is_new: bool) -> None:
        if is_new:
            model.reset()
        model.eval(token_ids)

    return read


def cpu_s(read: Reads, token_ids: list[int], is_new: bool) -> float:
    started = time.process_time()
    read(token_ids, is_new)
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--weights", nargs="+", default=["int8", "int4"])
    parser.add_argument("--prompt-tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    readers = {"llama.cpp": theirs(options.path)} | {each: ours(options.path, each) for each in options.weights}
    prompts: dict[str, list[float]] = {name: [] for name in readers}
    steps: dict[str, list[float]] = {name: [] for name in readers}
    rng = np.random.default_rng(0)
    for _ in range(options.rounds + 1):
        for name, read in readers.items():
            prompts[name].append(cpu_s(read, rng.integers(100, 5000, options.prompt_tokens).tolist(), True))
            tokens = rng.integers(100, 5000, (4, 1)).tolist()
            steps[name].append(statistics.mean(cpu_s(read, each, False) for each in tokens))
    print("| | decode, ms | ratio | prompt, ms | ratio |\n|---|---|---|---|---|")
    for name in readers:
        cells = []
        for times in (steps, prompts):  # the first round warms up
            ratios = [a / b for a, b in zip(times["llama.cpp"][1:], times[name][1:], strict=True)]
            cells.append(f"{1e3 * statistics.median(times[name][1:]):.1f} | {statistics.median(ratios):.2f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
