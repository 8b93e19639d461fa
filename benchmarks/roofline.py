"""How fast this machine reads memory, and what share of that each decode step reaches.

A token reads every weight once, whatever the number of sequences, so the bytes of all weights over the bandwidth is the
shortest time that a step of one sequence can take. Both are measured in turns, so that what else runs hits both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from bare_loop import bare_step_s, open_session
from numpy.typing import NDArray
from weight_bits import of_folder

from jan_ort.convert.graph.blas_threads import one_blas_thread
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL

_ARRAY_BYTES = 1 << 28  # for each thread, far more than a cache holds
_BATCH_SIZES = (1, 2, 4, 8)


class Memory:
    """Arrays that ``num_threads`` threads read side by side."""

    def __init__(self, num_threads: int) -> None:
        self._pool = ThreadPoolExecutor(num_threads)
        self._arrays = [np.ones(_ARRAY_BYTES // 4, np.float32) for _ in range(num_threads)]

    def bytes_per_s(self) -> float:
        """Read all arrays once; a product of two halves is the fastest reader that numpy has."""
        with one_blas_thread():
            started = time.perf_counter()
            list(self._pool.map(_read, self._arrays))
            return _ARRAY_BYTES * len(self._arrays) / (time.perf_counter() - started)


def _read(array: NDArray[np.float32]) -> float:
    first, second = np.split(array, 2)
    return float(first @ second)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    parser.add_argument("--weights", default="int8")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    session, folder = open_session(options.model, options.weights)
    read, memory = of_folder(Path(folder)), Memory(options.threads)
    print(f"{read.num_values:,} weights a step, {read.num_bytes / 1e6:.0f} MB, {read.per_value:.2f} bits each")
    steps: dict[int, list[float]] = {size: [] for size in _BATCH_SIZES}
    bandwidths: list[float] = []
    for seed in range(options.rounds):
        for size in _BATCH_SIZES:
            bandwidths.append(memory.bytes_per_s())
            steps[size].append(bare_step_s(session, size, seed))
    bandwidth = statistics.median(bandwidths)
    print(
        f"{bandwidth / 1e9:.1f} GB/s with {options.threads} threads; at best {bandwidth / read.num_bytes:.0f} steps/s\n"
    )
    print("| sequences | ms a step | tokens/s | weights' GB/s | share of the bandwidth |\n|---|---|---|---|---|")
    for size, times in steps.items():
        step_s = statistics.median(times)
        reached = read.num_bytes / step_s
        figures = f"{1e3 * step_s:.1f} | {size / step_s:.1f} | {reached / 1e9:.1f} | {reached / bandwidth:.0%}"
        print(f"| {size} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
