"""A counted session counts what a step appended, and nothing that a failed step did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from jan_ort_backends import BadInput, CountedSession, DeviceReport, SessionInfo, SlotTokens, StepOutput, Unsupported

INFO = SessionInfo(8, 16, 2, 0, DeviceReport("cpu", "cpu"), "0")


class Recorded(CountedSession):
    """Notes what it is asked; a token 7 makes its run fail."""

    def __init__(self) -> None:
        super().__init__(INFO)
        self.held_before: list[list[int]] = []
        self.cuts: list[tuple[int, int]] = []

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        self.held_before.append(list(self.lengths))
        if any(7 in row.token_ids for row in batch):
            raise RuntimeError("a failing run")
        return StepOutput(np.zeros((sum(row.num_logits for row in batch), 8), np.float32))

    def cut(self, slot: int, length: int) -> None:
        self.cuts.append((slot, length))


def tokens(slot: int, *token_ids: int) -> SlotTokens:
    return SlotTokens(slot, np.array(token_ids))


def test_each_slot_counts_its_own_tokens() -> None:
    session = Recorded()

    session.step([tokens(0, 1, 2), tokens(1, 3)])
    session.step([tokens(0, 4)])

    assert (session.length(0), session.length(1)) == (3, 1)
    assert session.held_before == [[0, 0], [2, 1]]


def test_a_failed_run_counts_nothing() -> None:
    session = Recorded()
    session.step([tokens(0, 1)])

    with pytest.raises(RuntimeError, match="a failing run"):
        session.step([tokens(0, 2), tokens(1, 7)])

    assert session.lengths == [1, 0]


def test_a_wrong_batch_is_refused_before_the_model_runs() -> None:
    session = Recorded()

    with pytest.raises(BadInput, match="8 is outside the vocabulary"):
        session.step([tokens(0, 8)])

    assert session.held_before == []


def test_truncating_cuts_what_the_model_holds() -> None:
    session = Recorded()
    session.step([tokens(1, 1, 2, 3)])

    session.truncate(1, 1)
    with pytest.raises(BadInput, match="2 is outside"):
        session.truncate(1, 2)

    assert session.cuts == [(1, 1)]
    assert session.length(1) == 1


def test_without_run_a_step_is_unsupported() -> None:
    session = CountedSession(INFO)

    with pytest.raises(Unsupported):
        session.step([tokens(0, 1)])
