"""What a kind of speculation is: whoever guesses a sequence's next tokens (hop 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jan_ort.engine.sequence import TokenSequence
from jan_ort.sampling.state import SamplerState

Draft = tuple[int, ...]
"""Token ids that may follow a sequence's last one; empty for no guess."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A sequence that decodes, what its next token is drawn with, and how many tokens of it may be drafted."""

    sequence: TokenSequence
    sampler: SamplerState
    most: int


@dataclass(frozen=True, slots=True)
class StepPrices:
    """What drafts cost the step at hand, in steps without any, one of which takes ``plain_s``: None, not known yet.

    ``of`` returns the length of a step in which every sequence has a draft of so many tokens, infinity if that is not
    known; ``may_lose`` how many steps every one of them can bear to lose.
    """

    plain_s: float | None
    of: Callable[[int], float]
    may_lose: Callable[[], float]


class Drafter(Protocol):
    """Guesses tokens. No guess is wrong: one that the sampler does not choose costs time alone.

    Used by the engine's thread only, but for ``kill``. A kind is a file of this package and its line in ``kinds.py``.
    ``taken_s`` are the seconds that the last drafts took, where that is no small part of a step.
    """

    taken_s: float = 0.0

    def drafts(self, wanted: Sequence[Wanted], prices: StepPrices) -> list[Draft]:
        """Return a draft for each sequence, all of which decode. May be asked in vain."""
        ...

    def judged(self, sequence: TokenSequence, num_drafted: int, num_accepted: int) -> None:
        """Note how many tokens of the last draft the sampler has chosen; the sequence may have ended by it."""
        ...

    def end(self, sequence: TokenSequence) -> None:
        """Note that a sequence has ended, which may never have been drafted for."""
        ...

    def kill(self) -> None:
        """End what hangs, from any thread, if that can be done; whoever only looks something up does not hang."""

    def close(self) -> None:
        """Free what it holds."""
