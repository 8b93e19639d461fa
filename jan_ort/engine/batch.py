"""One step as the scheduler asks for it: rows of sequences, and where these sequences go first (hop 5)."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import Placement


@dataclass(frozen=True, slots=True)
class Row:
    """The next ``num_tokens`` tokens of a sequence; logits of the last ``num_logits`` of them are wanted.

    ``keep``: what the slot then holds is worth a checkpoint. ``draft`` are the tokens after the one that was sampled
    last, guessed; logits of all of these are wanted then.
    """

    sequence: TokenSequence
    num_tokens: int
    num_logits: int
    keep: bool = False
    draft: tuple[int, ...] = ()

    @property
    def is_sampled(self) -> bool:
        """Whether the row ends in the logits of the sequence's next token."""
        return self.num_logits > 0 and self.sequence.num_computed + self.num_tokens >= self.sequence.num_prompt_tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: first carry out the placements in order, then run the rows, which are never empty.

    ``apart``: the session takes no row with a draft beside others.
    """

    placements: tuple[tuple[Placement, TokenSequence], ...]
    rows: tuple[Row, ...]
    apart: bool = False

    @property
    def calls(self) -> tuple[tuple[Row, ...], ...]:
        """The rows of each of the session's steps."""
        if not self.apart:
            return (self.rows,)
        together = tuple(row for row in self.rows if not row.draft)
        alone = ((row,) for row in self.rows if row.draft)
        return (together, *alone) if together else (*alone,)
