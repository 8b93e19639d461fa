"""What a product costs by bits and block size, and whether a row has the same bits alone as in company.

A scheme of weights is made of these: one stream is bound by the first column, prompts by the last, and only blocks with
a "yes" keep the promise of the same tokens in any company. CPU time of one thread, in turns: a busy machine will do.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from tests.backends.onnxruntime.products import Products, inputs, same_in_company

KINDS = tuple((bits, block) for bits in (8, 4) for block in (32, 64, 128, 256))
NUM_ROWS = (1, 2, 8, 64)


def cpu_s(session: onnxruntime.InferenceSession, x: NDArray[np.float32]) -> float:
    started = time.process_time()
    session.run(None, {"x": x})
    return time.process_time() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--count", type=int, default=10)
    options = parser.parse_args()
    kinds = [Products(bits, block, options.rows, options.columns, options.count) for bits, block in KINDS]
    sessions = [kind.open() for kind in kinds]
    times: dict[tuple[Products, int], list[float]] = {(kind, rows): [] for kind in kinds for rows in NUM_ROWS}
    for _ in range(options.rounds):
        for kind, session in zip(kinds, sessions, strict=True):
            for rows in NUM_ROWS:
                times[kind, rows].append(cpu_s(session, inputs(rows, options.columns)))
    print("| bits, block | bits as packed | 10⁹ weights/s, 1 row | 2 rows | 8 rows | 64 rows | same bits in company |")
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        one, two, eight, many = (statistics.median(times[kind, rows]) for rows in NUM_ROWS)
        speed = kind.rows * kind.columns * kind.count / one / 1e9
        exact = all(same_in_company(Products(kind.bits, kind.block, 256, k, 1)) for k in (options.columns, 8192))
        more = " | ".join(f"{each / one:.2f} ×" for each in (two, eight, many))
        packed = kind.bits + 64 / kind.block  # a scale and a sum beside each block's codes
        print(
            f"| {kind.bits}, {kind.block} | {packed:.2f} | {speed:.1f} | {more} | {'yes' if exact else 'no'} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
