"""Aim interrupts at a step, from another thread, and judge what each leaves: a whole step or none."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Interrupted, Session, SlotTokens
from jan_ort_conformance.backend.check_tools.expectations import expect_finite, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture, Writer
from jan_ort_conformance.verdicts.verdict import Lie, Violation, expect

NUM_ATTEMPTS = 90
MAX_ATTEMPTS = 900
NUM_INTERRUPTED = 6
"""Interrupted steps after which a check is content; the first of them may all fall into a batch's first row."""
NUM_FINISHED = 2
ENOUGH_S = 10.0
"""After these seconds a check of a slow model is content with one step of each kind."""
FRACTIONS = (0.6, 1.2, 0.2, 2.0, 0.8, 0.4, 0.95, 0.0, 1.05)
"""Moments of an interrupt, in durations of the step that it is aimed at; those first that say most of a slow model."""
SLOW_STEP_S = 1.0
SWITCH_INTERVAL_S = 1e-5
"""How long a step of Python code may keep the interrupting thread waiting; CPython's own 5 ms outlast a short step."""
SHORT_STEP_S = 0.02
"""A step that once took less is interrupted again and again from its moment on; a single one comes too late."""
LONG_ENOUGH_S = 0.002
"""A step that takes less is made longer, if it can be, before interrupts are aimed at it."""
MAX_LOGITS = 1 << 26
"""Of all positions of a step that was made longer: 256 MiB."""
WITHIN = (0.15, 0.75)
"""Part of a step, as fractions of its seconds, in which an interrupt surely lies: none that it may have forgotten as it
began, and none to which it was about to end."""
NUM_WITHOUT_EFFECT = 20
"""Steps with an interrupt surely within, none of which was ended, that are blamed on the backend; 5 of a slow model."""
NUM_WITHOUT_EFFECT_LATE = 5
MIN_JUDGED_S = 0.0003
"""Of a shorter step the clock and the system's scheduler leave no part in which an interrupt surely lies."""


@dataclass(frozen=True, slots=True)
class Aimed:
    """A step that interrupts are aimed at: its logits, those of all its positions, and its seconds.

    ``held`` are the lengths of all slots before it. ``duration_s`` is the median of a few steps, ``is_short`` says that
    one of them took less than SHORT_STEP_S.
    """

    writer: Writer
    rows: Sequence[SlotTokens]
    held: list[int]
    logits: NDArray[np.float32]
    every: NDArray[np.float32]
    duration_s: float
    is_short: bool

    @classmethod
    def at(cls, writer: Writer, rows: Sequence[SlotTokens], *longer: Sequence[SlotTokens]) -> Aimed:
        """Run the step undisturbed, or a ``longer`` one if it is too short; leave its slots as they were."""
        vocab_size = writer.session.info.vocab_size
        for each in longer:
            if (
                _once(writer, rows) >= LONG_ENOUGH_S
                or sum(len(row.token_ids) for row in each) * vocab_size > MAX_LOGITS
            ):
                break
            rows = each
        return cls._measured(writer, rows)

    @classmethod
    def _measured(cls, writer: Writer, rows: Sequence[SlotTokens]) -> Aimed:
        held = writer.lengths()
        every = _run(writer, _asking_for_all(rows))
        for position, row in enumerate(every):
            expect_finite(row, f"without an interrupt, row {position}")
        durations_s = []
        for _ in range(3):
            started = time.perf_counter()
            logits = writer.step(rows)
            durations_s.append(time.perf_counter() - started)
            _restore(writer, rows, held)
            if durations_s[-1] > SLOW_STEP_S:
                break  # the noise of one run is small beside it
        duration_s = sorted(durations_s)[len(durations_s) // 2]
        return cls(writer, rows, held, logits, every, duration_s, is_short=min(durations_s) < SHORT_STEP_S)


@dataclass(slots=True)
class _Tally:
    """What became of the steps so far; ``num_without_effect`` finished though an interrupt surely lay within."""

    is_slow: bool
    num_interrupted: int = 0
    num_finished: int = 0
    num_without_effect: int = 0
    is_late: bool = False

    def is_enough(self) -> bool:
        wanted = (1, 1) if self.is_late else (NUM_INTERRUPTED, NUM_FINISHED)
        return self.num_interrupted >= wanted[0] and self.num_finished >= wanted[1]

    def is_deaf(self) -> bool:
        wanted = NUM_WITHOUT_EFFECT_LATE if self.is_late and self.is_slow else NUM_WITHOUT_EFFECT
        return not self.num_interrupted and self.num_without_effect >= wanted


def aim(fixture: Fixture, aimed: Aimed, *, must_end: bool) -> str:
    """Interrupt the step at many moments and judge what each leaves; return how many of them ended it early.

    Raises: Lie if ``must_end`` and none did, though many surely lay within the step.
    """
    session, tally, started = aimed.writer.session, _Tally(is_slow=not aimed.is_short), time.perf_counter()
    is_judged = must_end and aimed.duration_s >= MIN_JUDGED_S
    pause_s = 0.0 if aimed.is_short else aimed.duration_s / 100
    with _quick_thread_switches():
        for attempt in range(MAX_ATTEMPTS):
            # What a single call misses, on a busy machine or in a short step, calls from its beginning to its end hit.
            is_missed = not tally.num_interrupted and attempt >= 2 * len(FRACTIONS)
            fraction = 0.0 if is_missed and attempt % 2 else FRACTIONS[attempt % len(FRACTIONS)]
            calls = _Calls(session, fraction * aimed.duration_s, pause_s, again=aimed.is_short or is_missed)
            _attempt(fixture, aimed, calls, tally)
            tally.is_late = time.perf_counter() - started > ENOUGH_S
            if tally.is_enough() or (is_judged and tally.is_deaf()) or (tally.is_late and not must_end):
                break
            is_unclear = is_judged and is_missed and not tally.is_late
            if attempt >= (NUM_ATTEMPTS if must_end else NUM_ATTEMPTS // 2) and not is_unclear:
                break
    num_steps, of = tally.num_interrupted + tally.num_finished, f"steps of {1000 * aimed.duration_s:.2g} ms"
    if is_judged and tally.is_deaf():
        raise Lie(f"none of {tally.num_without_effect} {of} was ended by an interrupt well within it")
    if not tally.num_interrupted:
        return f"none of {num_steps} {of} was ended by an interrupt{_doubt(must_end)}"
    is_spared = tally.num_finished or not must_end
    expect(is_spared, "every step was interrupted, also those that ended before the interrupt came")
    return f"{tally.num_interrupted} of {num_steps} {of} ended early"


def _doubt(must_end: bool) -> str:
    if not must_end:
        return ", as may be with so short a step"
    return "; too few surely lay within one, so that it is not shown whether they end a step: try a larger model"


def _attempt(fixture: Fixture, aimed: Aimed, calls: _Calls, tally: _Tally) -> None:
    """Run the step and the calls of interrupt, and count what became of it."""
    writer = aimed.writer
    before = writer.lengths()
    try:
        with calls.meanwhile():
            begun = time.perf_counter()
            logits = writer.step(aimed.rows)
            ended = time.perf_counter()
    except Interrupted:
        expect(writer.lengths() == before, f"after Interrupted the lengths are {writer.lengths()}, and were {before}")
        _expect_nothing_left(fixture, aimed)
        tally.num_interrupted += 1
        return
    expect_rows_equal(logits, aimed.logits, fixture.tolerances.same_kind, "a step that an interrupt did not end")
    _restore(writer, aimed.rows, aimed.held)
    tally.num_finished += 1
    tally.num_without_effect += calls.lie_within(begun, ended)


@dataclass(slots=True)
class _Calls:
    """Calls of ``interrupt`` from another thread, ``delay_s`` after a step began: one, or one after the other."""

    session: Session
    delay_s: float
    pause_s: float
    again: bool
    made: list[tuple[float, float]] = field(default_factory=list)
    """When each call began and when it was over."""

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Interrupt during the block; every call is over when it is left. Without a delay they begin before it."""
        is_over, has_begun = threading.Event(), threading.Event()
        thread = threading.Thread(target=self._interrupt, args=(is_over, has_begun), name="interrupts")
        thread.start()
        has_begun.wait()
        try:
            yield
        finally:
            is_over.set()
            thread.join()

    def _interrupt(self, is_over: threading.Event, has_begun: threading.Event) -> None:
        if self.delay_s or not self.again:
            has_begun.set()
            is_over.wait(self.delay_s)  # a step that is over is interrupted all the same: that must do nothing
        self._call()
        has_begun.set()
        while self.again and not is_over.is_set():
            self._call()
            time.sleep(self.pause_s)  # 0, too, lets the step have the interpreter

    def _call(self) -> None:
        called = time.perf_counter()
        self.session.interrupt()
        self.made.append((called, time.perf_counter()))

    def lie_within(self, begun: float, ended: float) -> bool:
        """Return whether a whole call surely lies within the step."""
        first, last = (begun + part * (ended - begun) for part in WITHIN)
        return any(first <= called and returned <= last for called, returned in self.made)


def _expect_nothing_left(fixture: Fixture, aimed: Aimed) -> None:
    """Run the step again with the logits of every position: what is left of a recurrent state fades with these."""
    again = _run(aimed.writer, _asking_for_all(aimed.rows))
    try:
        expect_rows_equal(again, aimed.every, fixture.tolerances.same_kind, "the same step after an interrupted one")
    except Violation as violation:
        raise Violation(f"{violation}: something of the interrupted step was left behind") from violation


def _once(writer: Writer, rows: Sequence[SlotTokens]) -> float:
    """Return the seconds of the second of two steps; the first may compile or allocate."""
    _run(writer, rows)
    started = time.perf_counter()
    _run(writer, rows)
    return time.perf_counter() - started


def _run(writer: Writer, rows: Sequence[SlotTokens]) -> NDArray[np.float32]:
    held = writer.lengths()
    logits = writer.step(rows)
    _restore(writer, rows, held)
    return logits


def _restore(writer: Writer, rows: Sequence[SlotTokens], held: Sequence[int]) -> None:
    for row in rows:
        writer.session.truncate(row.slot, held[row.slot])


def _asking_for_all(rows: Sequence[SlotTokens]) -> list[SlotTokens]:
    return [replace(row, num_logits=len(row.token_ids)) for row in rows]


@contextmanager
def _quick_thread_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
