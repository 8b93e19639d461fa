"""Drafters for tests: of what the twin generates, now and then with a wrong token in it, and always worth a try."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.draft_model import DraftModel, Plan
from jan_ort.engine.speculation.drafter import Draft, Drafter, StepPrices, Wanted
from jan_ort.engine.speculation.speculation import Speculation
from tests.engine.running import Tokens

Known = tuple[Tokens, Sequence[int]]
"""A prompt and its answer."""


class KnowingDrafter(Drafter):
    """Drafts ``length`` tokens of the answers that it knows, each ``wrong`` with this probability."""

    def __init__(self, known: Sequence[Known], *, length: int = 5, wrong: float = 0.0) -> None:
        self._known = known
        self._length = length
        self._wrong = wrong
        self._rng = np.random.default_rng(0)
        self.judgements: list[tuple[int, int]] = []
        self.num_asked = 0
        self.num_ended = 0

    def drafts(self, wanted: Sequence[Wanted], prices: StepPrices) -> list[Draft]:
        self.num_asked += 1
        return [self._draft(each.sequence)[: each.most] for each in wanted]

    def _draft(self, sequence: TokenSequence) -> Draft:
        begun = sequence.since(0)
        for prompt, answer in self._known:
            whole = [*prompt.tolist(), *answer]
            if whole[: len(begun)] == begun:
                following = whole[len(begun) : len(begun) + self._length]
                return tuple(each + 1 if self._rng.random() < self._wrong else each for each in following)
        return ()

    def judged(self, sequence: TokenSequence, num_drafted: int, num_accepted: int) -> None:
        self.judgements.append((num_drafted, num_accepted))

    def end(self, sequence: TokenSequence) -> None:
        self.num_ended += 1


def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every draft tried, and a draft model guess five tokens at little cost."""
    monkeypatch.setattr(Speculation, "_is_bearable", lambda self, sampled: True)
    monkeypatch.setattr(Speculation, "_is_worth_it", lambda self, sampled, drafts: True)
    monkeypatch.setattr(DraftModel, "_plan", lambda self, num_rows, most, prices: Plan(min(most, 5), 0.05, 0.05))
