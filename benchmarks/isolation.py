"""What ``--isolate`` costs a decode step: a session in a process of its own beside one in this process, in turns."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Sequence

import numpy as np
import psutil
from servers import CONTEXT_LENGTH

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL
from jan_ort.plugins.choice import choose_backend
from jan_ort.plugins.guarded_session import open_session
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.settings.schema import Settings
from jan_ort_backends import OpenOptions, Session, SlotTokens, discover

Cost = tuple[float, float]
"""Wall and CPU milliseconds of one step."""


def cpu_ms(pids: Sequence[int]) -> float:
    """Return the CPU time that the processes have used, on Linux to the microsecond."""
    if sys.platform == "linux":
        return sum(time.clock_gettime_ns((~pid << 3) | 2) for pid in pids) / 1e6
    return 1e3 * sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


def step(session: Session, tokens: list[int], pids: Sequence[int]) -> tuple[Cost, list[int]]:
    """Return what a decode step of a sequence each costs, and the tokens that it chose."""
    started, before = time.perf_counter(), cpu_ms(pids)
    output = session.step([SlotTokens(slot, np.array([token])) for slot, token in enumerate(tokens)])
    chosen = output.logits.argmax(axis=1).tolist()  # each logit is read, wherever it lies
    return (1e3 * (time.perf_counter() - started), cpu_ms(pids) - before), chosen


def compare(here: Session, apart: Session, batch_size: int, num_steps: int, pids: Sequence[int]) -> None:
    """Print the medians of both, over steps that take turns."""
    rng = np.random.default_rng(batch_size)
    for slot in range(batch_size):
        prompt = rng.integers(100, 5000, 30)
        for session in (here, apart):
            session.truncate(slot, 0)
            session.step([SlotTokens(slot, prompt)])
    tokens = [400 + slot for slot in range(batch_size)]
    pairs = []
    for _ in range(num_steps):
        inside, chosen = step(here, tokens, pids)
        outside, tokens = step(apart, tokens, pids)
        assert tokens == chosen, "the same logits"
        pairs.append((inside, outside))
    for at, name in enumerate(("wall ms", "CPU ms")):
        inside_ms, outside_ms = (statistics.median(pair[which][at] for pair in pairs[5:]) for which in (0, 1))
        print(f"batch {batch_size}, {name:17} {inside_ms:12.3f} {outside_ms:10.3f}   {outside_ms / inside_ms:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--model", default=DEFAULT_CHAT_MODEL)
    options = parser.parse_args()
    path = resolve_model(options.model, task=GENERATE, cache_dir=Settings.read().cache_dir)
    backend, asked = choose_backend(None, path, discover()), OpenOptions(context_length=CONTEXT_LENGTH)
    here, apart = open_session(backend, path, asked), open_isolated(backend, path, asked)
    pids = [os.getpid(), *(child.pid for child in psutil.Process().children())]
    print(f"{'medians of a decode step':26} {'in process':>12} {'isolated':>10}   ratio (target: at most 1.03)")
    for batch_size in (1, 8):
        compare(here, apart, batch_size, options.steps, pids)
    here.close()
    apart.close()


if __name__ == "__main__":
    main()
