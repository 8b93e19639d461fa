"""Drafters for tests: of what the twin generates, now and then with a wrong token in it, and always worth a try."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.drafter import Draft
from jan_ort.engine.speculation.speculation import Speculation
from tests.engine.running import Tokens

Known = tuple[Tokens, Sequence[int]]
"""A prompt and its answer."""


class KnowingDrafter:
    """Drafts ``length`` tokens of the answers that it knows, each ``wrong`` with this probability."""

    def __init__(self, known: Sequence[Known], *, length: int = 5, wrong: float = 0.0) -> None:
        self._known = known
        self._length = length
        self._wrong = wrong
        self._rng = np.random.default_rng(0)
        self.judgements: list[tuple[int, int]] = []
        self.num_asked = 0
        self.num_ended = 0

    def drafts(self, sequences: Sequence[TokenSequence], most: Sequence[int]) -> list[Draft]:
        self.num_asked += 1
        return [self._draft(sequence)[:num] for sequence, num in zip(sequences, most, strict=True)]

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
    """Have every draft tried."""
    monkeypatch.setattr(Speculation, "_is_bearable", lambda self, sampled: True)
    monkeypatch.setattr(Speculation, "_is_worth_it", lambda self, sampled, drafts: True)
