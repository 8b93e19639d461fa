"""Interrupts: from another thread, at any moment, they end the running step or do nothing."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, Interrupted, Session, SlotTokens
from jan_ort_conformance.backend.expectations import expect, expect_finite, expect_rows_equal
from jan_ort_conformance.backend.registry import check
from jan_ort_conformance.backend.trial import Trial, Writer
from jan_ort_conformance.backend.violation import Lie, Violation
from jan_ort_conformance.results import Level

NEEDS = (Capability.GENERATE, Capability.INTERRUPT)
NUM_ATTEMPTS = 90
NUM_INTERRUPTED = 6
"""Interrupted steps after which a check is content; the first of them may all fall into a batch's first row."""
NUM_FINISHED = 2
ENOUGH_S = 10.0
"""After these seconds a check of a slow model is content with one step of each kind."""
FRACTIONS = (0.6, 1.2, 0.2, 2.0, 0.8, 0.4, 0.95, 0.0, 1.05)
"""Moments of an interrupt, in durations of the step that it is aimed at; those first that say most of a slow model."""
SLOW_STEP_S = 1.0
SWITCH_INTERVAL_S = 1e-4
"""How long a step of Python code may keep the interrupting thread waiting; CPython's own 5 ms outlast a short step."""
SHORT_STEP_S = 0.02
"""A step that once took less is interrupted again and again from its moment on; a single one comes too late."""


@check("interrupts.between_steps_do_nothing", *NEEDS, level=Level.FULL)
def between_steps_do_nothing(trial: Trial) -> None:
    """An interrupt while no step runs does not end the next one."""
    writer, session = trial.writer, trial.session
    expected = writer.append(1, 10)
    for _ in range(3):
        session.interrupt()
    try:
        logits = writer.append(0, 10)
    except Interrupted:
        expect(False, "a step was ended by an interrupt that came before it began")
    expect_rows_equal(logits, expected, trial.tolerances.same_kind, "a step after an interrupt")


@check("interrupts.end_a_running_step", *NEEDS, level=Level.FULL)
def end_a_running_step(trial: Trial) -> str:
    """An interrupt at any moment leaves a whole step or none: Interrupted with the old lengths, or the right logits."""
    writer = trial.writer
    writer.append(2, 20)
    beside = writer.append(3, 20, 5)
    told = _aim(trial, _Aimed.at(writer, [SlotTokens(0, writer.text[:120])]))
    after = writer.append(2, 5)
    expect_rows_equal(after, beside, trial.tolerances.same_kind, "another slot after interrupts")
    return told


@check("interrupts.leave_every_length_of_a_batch", *NEEDS, level=Level.FULL)
def leave_every_length_of_a_batch(trial: Trial) -> str:
    """When a step of several first prompts is interrupted, in whichever row, every slot of it is as empty as before."""
    writer = trial.writer
    return _aim(trial, _Aimed.at(writer, [SlotTokens(slot, writer.text[: 100 + slot]) for slot in range(4)]))


@dataclass(frozen=True, slots=True)
class _Aimed:
    """A step of first prompts that interrupts are aimed at: its logits, those of all its positions, and its seconds.

    ``duration_s`` is the median of a few steps, ``is_short`` says that one of them took less than SHORT_STEP_S.
    """

    writer: Writer
    rows: Sequence[SlotTokens]
    logits: NDArray[np.float32]
    every: NDArray[np.float32]
    duration_s: float
    is_short: bool

    @classmethod
    def at(cls, writer: Writer, rows: Sequence[SlotTokens]) -> _Aimed:
        """Run the step undisturbed, and leave its slots empty."""
        every = _run(writer, _asking_for_all(rows))
        for position, row in enumerate(every):
            expect_finite(row, f"without an interrupt, row {position}")
        durations_s = []
        for _ in range(3):
            started = time.perf_counter()
            logits = _run(writer, rows)
            durations_s.append(time.perf_counter() - started)
            if durations_s[-1] > SLOW_STEP_S:
                break  # the noise of one run is small beside it
        duration_s = sorted(durations_s)[len(durations_s) // 2]
        return cls(writer, rows, logits, every, duration_s, is_short=min(durations_s) < SHORT_STEP_S)


def _aim(trial: Trial, aimed: _Aimed) -> str:
    """Interrupt the step at many moments and judge what each leaves; return how many of them ended it early."""
    num_interrupted = num_finished = 0
    started = time.perf_counter()
    with _quick_thread_switches():
        for attempt in range(NUM_ATTEMPTS):
            interrupted = _attempt(trial, aimed, aimed.duration_s * FRACTIONS[attempt % len(FRACTIONS)])
            num_interrupted += interrupted
            num_finished += not interrupted
            is_late = time.perf_counter() - started > ENOUGH_S
            wanted = (1, 1) if is_late else (NUM_INTERRUPTED, NUM_FINISHED)
            if num_interrupted >= wanted[0] and num_finished >= wanted[1]:
                break
    expect(num_finished, "every step was interrupted, also those that ended before the interrupt came")
    if not num_interrupted:
        raise Lie(f"none of {NUM_ATTEMPTS} interrupts ended a step of {1000 * aimed.duration_s:.1f} ms{_doubt(aimed)}")
    return (
        f"{num_interrupted} of {num_interrupted + num_finished} steps of {1000 * aimed.duration_s:.1f} ms ended early"
    )


def _attempt(trial: Trial, aimed: _Aimed, delay_s: float) -> bool:
    """Run the step and an interrupt ``delay_s`` after it began; return whether the step was interrupted."""
    writer = aimed.writer
    before = writer.lengths()
    try:
        with _interrupted_after(delay_s, writer.session, again=aimed.is_short):
            logits = writer.step(aimed.rows)
    except Interrupted:
        expect(writer.lengths() == before, f"after Interrupted the lengths are {writer.lengths()}, and were {before}")
        _expect_nothing_left(trial, aimed)
        return True
    expect_rows_equal(logits, aimed.logits, trial.tolerances.same_kind, "a step that an interrupt did not end")
    _empty(writer, aimed.rows)
    return False


@contextmanager
def _interrupted_after(delay_s: float, session: Session, *, again: bool) -> Iterator[None]:
    """Interrupt once, or again and again until the end of the block; every interrupt is over when it is left."""
    is_over = threading.Event()

    def interrupt() -> None:
        session.interrupt()
        while again and not is_over.is_set():
            session.interrupt()
            time.sleep(0)  # lets the step have the interpreter

    timer = threading.Timer(delay_s, interrupt)
    timer.start()
    try:
        yield
    finally:
        is_over.set()
        timer.join()


def _expect_nothing_left(trial: Trial, aimed: _Aimed) -> None:
    """Run the step again with the logits of every position: what is left of a recurrent state fades with these."""
    again = _run(aimed.writer, _asking_for_all(aimed.rows))
    try:
        expect_rows_equal(again, aimed.every, trial.tolerances.same_kind, "the same step after an interrupted one")
    except Violation as violation:
        raise Violation(f"{violation}: something of the interrupted step was left behind") from violation


def _run(writer: Writer, rows: Sequence[SlotTokens]) -> NDArray[np.float32]:
    logits = writer.step(rows)
    _empty(writer, rows)
    return logits


def _empty(writer: Writer, rows: Sequence[SlotTokens]) -> None:
    for row in rows:
        writer.session.truncate(row.slot, 0)


def _asking_for_all(rows: Sequence[SlotTokens]) -> list[SlotTokens]:
    return [replace(row, num_logits=len(row.token_ids)) for row in rows]


def _doubt(aimed: _Aimed) -> str:
    if not aimed.is_short:
        return ""
    return "; so short a step may be over before another thread gets to interrupt it: try a larger model"


@contextmanager
def _quick_thread_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
