"""What sampling remembers of one sequence: its own random numbers, and the tokens that penalties look back on."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.mirostat import starting_mu
from jan_ort.sampling.params import PENALTY_WINDOW, SamplingParams

_NOTHING: Mapping[int, int] = MappingProxyType({})

LARGEST_LOGIT = 1e30
"""Where biases and penalties end, so that no later difference or quotient of logits overflows."""


def _entropy(seed: int) -> int:
    """Map any integer, also a negative or a huge one, to its own non-negative integer."""
    return 2 * seed if seed >= 0 else -2 * seed - 1


def bounded(logit: float) -> float:
    """Return the logit, or the nearest that later arithmetic can bear."""
    return min(max(logit, -LARGEST_LOGIT), LARGEST_LOGIT)


def penalise(logit: float, count: int, params: SamplingParams) -> float:
    """Return the logit of a token that stands ``count`` >= 1 times in the window.

    A positive logit is divided by the repeat penalty and another one multiplied by it (Keskar et al. 2019,
    arXiv:1909.05858, section 4.1, with the sign handled as Hugging Face and llama.cpp do); then ``count`` times the
    frequency penalty and the presence penalty are subtracted (OpenAI's API reference).
    """
    repeat = params.repeat_penalty
    if logit <= 0:
        logit *= repeat
    elif repeat:
        logit /= repeat
    else:
        logit = LARGEST_LOGIT  # the document allows a repeat penalty of 0: it makes the token as likely as can be
    logit -= count * params.frequency_penalty + params.presence_penalty
    return bounded(logit)


class SamplerState:
    """One sequence's random generator and its window of the last ``PENALTY_WINDOW`` tokens.

    The generator belongs to the sequence, so its tokens do not depend on the company it is sampled in. ``choice``
    separates the n choices of one prompt; choice 0 of a list of prompts draws like the prompt alone.

    ``allowed``: bool ``(vocab_size,)``, the tokens that a grammar lets come next, None without one; whoever samples
    sets it anew for each token. ``penalised`` says how often each token of the window stands in it; it is empty if no
    penalty changes anything. ``mu`` is Mirostat's running bound on surprise, in bits.
    """

    __slots__ = ("_counts", "allowed", "bias", "choice", "mu", "num_generated", "params", "penalised", "rng", "window")

    def __init__(self, params: SamplingParams, prompt: NDArray[np.int64], *, choice: int = 0) -> None:
        self.params = params
        self.choice = choice
        self.num_generated = 0
        entropy = None if params.seed is None else _entropy(params.seed)
        self.rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(choice,))))
        self.allowed: NDArray[np.bool_] | None = None
        self.bias = dict(params.logit_bias)
        self.mu = starting_mu(params)
        self.window: deque[int] = deque()
        self._counts: dict[int, int] = {}
        self.penalised: Mapping[int, int] = self._counts if params.has_penalties else _NOTHING
        for token_id in prompt[-PENALTY_WINDOW:].tolist():
            self._note(token_id)

    def adjust(self, token_id: int, logit: float) -> float:
        """Return the token's logit with its bias added and the penalties applied."""
        if token_id in self.bias:
            logit = bounded(logit + self.bias[token_id])
        count = self.penalised.get(token_id)
        return penalise(logit, count, self.params) if count else logit

    def accept(self, token_id: int) -> None:
        """Note that ``token_id`` was generated."""
        self._note(token_id)
        self.num_generated += 1

    def copy(self) -> SamplerState:
        """Return a state that draws as this one would without a grammar, and whose draws leave this one as it is."""
        twin = copy.copy(self)
        twin.rng = copy.deepcopy(self.rng)
        twin.allowed = None
        twin.window = self.window.copy()
        twin._counts = dict(self._counts)
        twin.penalised = twin._counts if self.penalised is self._counts else _NOTHING
        return twin

    def _note(self, token_id: int) -> None:
        if len(self.window) == PENALTY_WINDOW:
            oldest = self.window.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        self.window.append(token_id)
        self._counts[token_id] = self._counts.get(token_id, 0) + 1
