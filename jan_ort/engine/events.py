"""What the engine tells a request's handler: one frozen type, in the order in which it happened (hops 4 and 9)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """One token's log-probability and the likeliest alternatives, from the raw logits.

    ``top`` holds (token id, log-probability), the likeliest first; the log-probabilities are natural logarithms.
    ``text_offset`` is the number of characters of the sequence's text before the token.
    """

    token_id: int
    logprob: float
    top: tuple[tuple[int, float], ...]
    text_offset: int = 0


@dataclass(frozen=True, slots=True)
class SequenceOutput:
    """News of one sequence: the text and tokens that came, and how it ended, once it has.

    ``index`` is the sequence's place in its request. ``error`` is set on the last event of a sequence that failed.
    """

    index: int
    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[TokenLogprobs, ...] = ()
    finish_reason: FinishReason | None = None
    stop_string: str | None = None
    """The stop string that ended it, if one did."""
    error: Exception | None = None
    num_cached_tokens: int = 0
    first_token_at: float | None = None
    """When the first token was sampled, on the clock of ``time.perf_counter``."""
    placed_at: float | None = field(default=None, compare=False)
    """When the sequence was given a slot for the first time, on the same clock."""

    @property
    def is_last(self) -> bool:
        """Whether nothing more comes for this sequence."""
        return self.finish_reason is not None or self.error is not None
