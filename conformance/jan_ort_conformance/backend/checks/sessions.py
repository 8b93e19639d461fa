"""Sessions: independent of each other, also in two threads, and gone when they are closed."""

from __future__ import annotations

import gc
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import MAX_EMBEDDING_TOKEN_ID, Fixture, Writer
from jan_ort_conformance.verdicts.verdict import Level, NotThere, expect

MIB = 1 << 20
NUM_CYCLES = 200
MAX_CYCLES_S = 10.0
MAX_GROWTH_BYTES = 16 * MIB
"""More than an allocator wavers by, and less than 150 forgotten caches of even a tiny model."""


@check("sessions.close_twice")
def close_twice(fixture: Fixture) -> None:
    """``close`` may be called twice."""
    session = fixture.open(num_slots=1, context_length=None).session
    session.close()
    session.close()


@check("sessions.are_independent")
def are_independent(fixture: Fixture) -> None:
    """Two sessions of one model share no slots, and closing one leaves the other."""
    first, second = fixture.open(num_slots=1, context_length=None), fixture.open(num_slots=2, context_length=None)
    expected = _work(first, 0, fixture)
    if Capability.GENERATE in fixture.able:
        expect(second.lengths() == [0, 0], f"work in one session gave the other the lengths {second.lengths()}")
    first.session.close()
    expect_rows_equal(
        _work(second, 0, fixture), expected, fixture.tolerances.same_kind, "after another session was closed"
    )


@check("sessions.run_in_two_threads", level=Level.FULL)
def run_in_two_threads(fixture: Fixture) -> None:
    """Two sessions at once in two threads give what each gives alone."""
    writers = [fixture.open(context_length=None) for _ in range(2)]
    expected = _long_work(fixture.open(context_length=None), fixture)
    begin = Barrier(2)  # a thread may be done before the other has started

    def together(writer: Writer) -> NDArray[np.float32]:
        begin.wait()
        return _long_work(writer, fixture)

    with ThreadPoolExecutor(2) as threads:
        outcomes = [threads.submit(together, writer) for writer in writers]
        for outcome in outcomes:
            expect_rows_equal(outcome.result(), expected, fixture.tolerances.same_kind, "one of two sessions at once")


@check("sessions.free_their_memory", level=Level.STRICT)
def free_their_memory(fixture: Fixture) -> str:
    """Opening, using and closing up to 200 sessions (in 20 s) needs no more memory than the first quarter of them."""
    if not Path("/proc/self/statm").exists() and sys.platform == "win32":
        raise NotThere("the resident memory of a process cannot be read here")
    started, early, num_cycles = time.perf_counter(), 0, 0
    able = fixture.able
    for num_cycles in range(1, NUM_CYCLES + 1):
        _cycle(fixture, Capability.GENERATE in able)
        if num_cycles % 10 == 0:
            gc.collect()  # what only waits for the collector is no leak, but must not pile up in between either
        if not early and (num_cycles == NUM_CYCLES // 4 or time.perf_counter() - started > MAX_CYCLES_S / 4):
            early = _resident_bytes()
        if time.perf_counter() - started > MAX_CYCLES_S and num_cycles >= 8:
            break
    growth = _resident_bytes() - early
    expect(growth <= MAX_GROWTH_BYTES, f"{num_cycles} sessions left {growth / MIB:.0f} MiB more than the first quarter")
    return f"{num_cycles} sessions, {growth / MIB:+.1f} MiB after the first quarter"


def _cycle(fixture: Fixture, generates: bool) -> None:
    session = fixture.subject.open(num_slots=4, context_length=None)
    writer = Writer(session)
    if generates:
        for slot in range(4):
            writer.append(slot, 16)
    else:
        session.embed([writer.text[:8] % MAX_EMBEDDING_TOKEN_ID])
    session.close()


def _work(writer: Writer, slot: int, fixture: Fixture) -> NDArray[np.float32]:
    if Capability.GENERATE in fixture.able:
        return writer.append(slot, 10)
    return writer.session.embed([writer.text[:8]])


def _long_work(writer: Writer, fixture: Fixture) -> NDArray[np.float32]:
    if Capability.GENERATE not in fixture.able:
        return np.concatenate([writer.session.embed([writer.text[:8], writer.text[:3]]) for _ in range(20)])
    for slot in range(3):
        writer.append(slot, 20 + slot)
    return np.concatenate([writer.decode(0, 1, 2) for _ in range(20)])


def _resident_bytes() -> int:
    """Return the resident memory now; where it cannot be read, its peak so far."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
