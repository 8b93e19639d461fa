"""What an engine has done so far, counted in its own thread and read from any (hops 5 to 8)."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from jan_ort.engine.generation import Generation
from jan_ort.engine.sequence import TokenSequence
from jan_ort_backends import SessionInfo

_FIRST_TOKEN_S = (0.01, 0.02, 0.04, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0)
_BETWEEN_TOKENS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5, 5.0, 10.0)
_WHOLE_S = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0)


class Distribution:
    """How often values fell at or below each of ``bounds``, which rise, and above all of them; and their sum."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def note(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def cumulated(self) -> list[tuple[float, int]]:
        """Return each bound with how many values were no larger; the last one is infinity."""
        return list(zip((*self.bounds, float("inf")), accumulate(self._counts), strict=True))


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """How busy an engine is: sequences with a slot and without, and the share of all slots' tokens that is in use."""

    num_running: int
    num_waiting: int
    num_slots: int
    cache_usage: float


def load_of(running: Sequence[TokenSequence], num_queued: int, info: SessionInfo) -> EngineLoad:
    """Return how busy an engine is that runs these of its queued sequences."""
    running = list(running)  # the engine's thread goes on
    num_tokens = sum(each.num_computed for each in running)
    return EngineLoad(
        num_running=len(running),
        num_waiting=max(0, num_queued - len(running)),
        num_slots=info.num_slots,
        cache_usage=num_tokens / (info.num_slots * info.context_length),
    )


@dataclass(slots=True)
class EngineStatistics:
    """Counts since the model was loaded. Seconds are those of ``time.perf_counter``.

    A prompt counts when its first token is there: ``num_prompt_tokens``, of which ``num_cached_tokens`` were not
    computed anew. ``num_generated_tokens`` includes the token that ends a text. ``num_set_aside`` counts how often a
    sequence gave its slot to another request for a while. ``num_ended`` is by what ended a sequence: stop, length,
    abort or error. ``num_accepted_at`` counts the tokens of drafts that were taken, by their places in these.
    """

    num_prompt_tokens: int = 0
    num_cached_tokens: int = 0
    num_generated_tokens: int = 0
    num_set_aside: int = 0
    num_drafts: int = 0
    num_draft_tokens: int = 0
    num_accepted_at: Counter[int] = field(default_factory=Counter)
    num_ended: Counter[str] = field(default_factory=Counter)
    first_token_s: Distribution = field(default_factory=lambda: Distribution(_FIRST_TOKEN_S))
    between_tokens_s: Distribution = field(default_factory=lambda: Distribution(_BETWEEN_TOKENS_S))
    whole_s: Distribution = field(default_factory=lambda: Distribution(_WHOLE_S))

    def advance(self, generation: Generation, now: float) -> None:
        """Note that a step has given a sequence its next tokens."""
        clock = generation.clock
        if clock.last_token_at is None:
            self.num_prompt_tokens += generation.num_prompt_tokens
            self.num_cached_tokens += generation.sequence.num_cached
            self.first_token_s.note(now - clock.submitted_at)
        else:
            self.between_tokens_s.note(now - clock.last_token_at)
        clock.last_token_at = now
        self.num_generated_tokens += generation.sampler.num_generated - clock.num_counted
        clock.num_counted = generation.sampler.num_generated

    def note_draft(self, num_drafted: int, num_accepted: int) -> None:
        """Note that a draft was computed, and how many of its tokens were taken."""
        self.num_drafts += 1
        self.num_draft_tokens += num_drafted
        self.num_accepted_at.update(range(num_accepted))

    def end(self, generation: Generation, reason: str) -> None:
        """Note what ended a sequence."""
        self.num_ended[reason] += 1
        if reason != "abort":
            self.whole_s.note(time.perf_counter() - generation.clock.submitted_at)
