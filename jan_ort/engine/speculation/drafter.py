"""What a kind of speculation is: whoever guesses a sequence's next tokens (hop 5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jan_ort.engine.sequence import TokenSequence

Draft = tuple[int, ...]
"""Token ids that may follow a sequence's last one; empty for no guess."""


class Drafter(Protocol):
    """Guesses tokens. No guess is wrong: one that the sampler does not choose costs time alone.

    Used by the engine's thread only. A kind is a file of this package and its line in ``kinds.py``.
    """

    def drafts(self, sequences: Sequence[TokenSequence], most: Sequence[int]) -> list[Draft]:
        """Return up to ``most`` tokens for each sequence, all of which decode. May be asked in vain."""
        ...

    def judged(self, sequence: TokenSequence, num_drafted: int, num_accepted: int) -> None:
        """Note how many tokens of the last draft the sampler has chosen; the sequence may have ended by it."""
        ...

    def end(self, sequence: TokenSequence) -> None:
        """Note that a sequence has ended, which may never have been drafted for."""
        ...
