"""Interrupts: from another thread, at any moment, they end the running step or do nothing."""

from __future__ import annotations

import threading
import time

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, Interrupted, SlotTokens
from jan_ort_conformance.backend.expectations import expect, expect_rows_equal
from jan_ort_conformance.backend.registry import check
from jan_ort_conformance.backend.trial import Trial, Writer
from jan_ort_conformance.backend.violation import Lie
from jan_ort_conformance.results import Level

NEEDS = (Capability.GENERATE, Capability.INTERRUPT)
NUM_ATTEMPTS = 90
FRACTIONS = (0.0, 0.2, 0.4, 0.6, 0.8, 0.95, 1.05, 1.2, 2.0)
"""Moments of an interrupt, in durations of the step that it is aimed at."""


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
    expected, duration_s = _timed(writer)
    num_interrupted = num_finished = 0
    for attempt in range(NUM_ATTEMPTS):
        interrupted = _attempt(trial, writer, expected, duration_s * FRACTIONS[attempt % len(FRACTIONS)])
        num_interrupted += interrupted
        num_finished += not interrupted
        if num_interrupted >= 5 and num_finished >= 2:
            break
    expect(num_finished, "every step was interrupted, also those that ended before the interrupt came")
    if not num_interrupted:
        raise Lie(f"none of {NUM_ATTEMPTS} interrupts ended a step of {1000 * duration_s:.1f} ms")
    after = writer.append(2, 5)
    expect_rows_equal(after, beside, trial.tolerances.same_kind, "another slot after interrupts")
    return f"{num_interrupted} of {num_interrupted + num_finished} steps of {1000 * duration_s:.0f} ms ended early"


@check("interrupts.leave_every_length_of_a_batch", *NEEDS, level=Level.FULL)
def leave_every_length_of_a_batch(trial: Trial) -> None:
    """When a step of several first prompts is interrupted, every slot of it is as empty as before."""
    writer, session = trial.writer, trial.session
    rows = [SlotTokens(slot, writer.text[: 100 + slot]) for slot in range(4)]
    started = time.perf_counter()
    expected = writer.step(rows)
    duration_s = time.perf_counter() - started
    for attempt in range(NUM_ATTEMPTS):
        for slot in range(4):
            session.truncate(slot, 0)
        timer = threading.Timer(duration_s * FRACTIONS[attempt % len(FRACTIONS)], session.interrupt)
        timer.start()
        try:
            expect_rows_equal(writer.step(rows), expected, trial.tolerances.same_kind, "a step that was not ended")
        except Interrupted:
            expect(not any(writer.lengths()), f"after Interrupted the lengths are {writer.lengths()}")
            again = writer.step(rows)
            expect_rows_equal(again, expected, trial.tolerances.same_kind, "the same step after it was interrupted")
            return
        finally:
            timer.join()
    raise Lie(f"none of {NUM_ATTEMPTS} interrupts ended a step of {1000 * duration_s:.1f} ms")


def _timed(writer: Writer) -> tuple[NDArray[np.float32], float]:
    """Return the logits of a long prompt in slot 0, which is left empty, and the seconds that it takes."""
    durations_s = []
    for _ in range(3):
        writer.session.truncate(0, 0)
        started = time.perf_counter()
        expected = writer.append(0, 120)
        durations_s.append(time.perf_counter() - started)
    writer.session.truncate(0, 0)
    return expected, sorted(durations_s)[1]


def _attempt(trial: Trial, writer: Writer, expected: NDArray[np.float32], delay_s: float) -> bool:
    """Run the step and an interrupt ``delay_s`` after it began; return whether the step was interrupted."""
    session = writer.session
    timer = threading.Timer(delay_s, session.interrupt)
    timer.start()
    try:
        logits = writer.append(0, 120)
    except Interrupted:
        expect(session.length(0) == 0, f"after Interrupted the slot holds {session.length(0)} tokens, and it held 0")
        return True
    finally:
        timer.join()
    expect_rows_equal(logits, expected, trial.tolerances.same_kind, "a step that an interrupt did not end")
    session.truncate(0, 0)
    return False
