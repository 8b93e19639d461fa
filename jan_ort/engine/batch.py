"""One step as the scheduler asks for it: rows of sequences, and where these sequences go first (hop 5)."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import Placement


@dataclass(frozen=True, slots=True)
class Row:
    """The next ``num_tokens`` tokens of a sequence; logits of the last ``num_logits`` of them are wanted.

    ``keep``: what the slot then holds is worth a checkpoint.
    """

    sequence: TokenSequence
    num_tokens: int
    num_logits: int
    keep: bool = False

    @property
    def is_sampled(self) -> bool:
        """Whether the row ends in the logits of the sequence's next token."""
        return self.num_logits > 0 and self.sequence.num_computed + self.num_tokens >= self.sequence.num_prompt_tokens


@dataclass(frozen=True, slots=True)
class Batch:
    """One step: first carry out the placements in order, then run the rows, which are never empty."""

    placements: tuple[tuple[Placement, TokenSequence], ...]
    rows: tuple[Row, ...]
