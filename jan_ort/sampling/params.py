"""How one sequence is to be generated: the request's sampling fields, validated and immutable (hop 3)."""

from __future__ import annotations

from dataclasses import dataclass

PENALTY_WINDOW = 64
"""Tokens that the penalties look back on, prompt included: llama.cpp's ``penalty_last_n`` default."""


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """The fields of a request that shape its tokens, with the bundled document's defaults.

    ``max_tokens`` is the number of tokens to generate at most (the caller has resolved "to the end of the context"); 0
    is none at all: only the prompt is computed. ``stop_token_ids`` end the text beside the model's own end-of-text
    tokens, which ``ignores_eos`` never lets be chosen.
    ``temperature`` 0 is argmax. ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 switch their filter off, and so do
    ``repeat_penalty`` 1, ``presence_penalty`` 0 and ``frequency_penalty`` 0. ``mirostat_mode`` 0 is off; 1 and 2 take
    the place of top_k, top_p and min_p. ``logit_bias`` holds (token id, what is added to its logit), each id once.
    ``seed`` None draws a fresh one. ``stop`` holds non-empty strings. ``logprobs`` is the number of alternatives
    wanted per token, None for none.
    """

    max_tokens: int
    min_tokens: int = 0
    temperature: float = 0.8
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.1
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    mirostat_mode: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    seed: int | None = None
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    stop_token_ids: frozenset[int] = frozenset()
    ignores_eos: bool = False

    @property
    def has_penalties(self) -> bool:
        """Whether any penalty changes a logit."""
        return self.repeat_penalty != 1.0 or self.presence_penalty != 0.0 or self.frequency_penalty != 0.0

    @property
    def num_candidates(self) -> int:
        """How many of the likeliest tokens may be drawn, 0 for all: argmax is the choice among one."""
        return 1 if self.temperature == 0.0 else 0 if self.mirostat_mode else self.top_k

    @property
    def only_lowers(self) -> bool:
        """Whether nothing can raise a logit; then the largest raw logits bound what a filter must look at."""
        return (
            self.repeat_penalty >= 1.0
            and self.presence_penalty >= 0.0
            and self.frequency_penalty >= 0.0
            and all(bias <= 0.0 for _, bias in self.logit_bias)
        )
