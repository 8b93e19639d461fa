"""What sampling remembers of one sequence: its own random numbers and the tokens that penalties look back on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.params import PENALTY_WINDOW, SamplingParams

NO_TOKEN = -1
"""Fills a window that is not full yet; it equals no token id."""


def _entropy(seed: int) -> int:
    """Map any integer, also a negative or a huge one, to its own non-negative integer."""
    return 2 * seed if seed >= 0 else -2 * seed - 1


class SamplerState:
    """One sequence's random generator and its window of recent tokens, int64 ``(PENALTY_WINDOW,)``.

    The generator belongs to the sequence, so its tokens do not depend on the company it is sampled in. ``choice``
    separates the n choices of one prompt; choice 0 of a list of prompts draws like the prompt alone.
    """

    __slots__ = ("_next", "choice", "num_generated", "params", "rng", "window")

    def __init__(self, params: SamplingParams, prompt: NDArray[np.int64], *, choice: int = 0) -> None:
        self.params = params
        self.choice = choice
        self.num_generated = 0
        entropy = None if params.seed is None else _entropy(params.seed)
        self.rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(choice,))))
        self.window: NDArray[np.int64] = np.full(PENALTY_WINDOW, NO_TOKEN, dtype=np.int64)
        recent = prompt[-PENALTY_WINDOW:]
        self.window[: len(recent)] = recent
        self._next = len(recent) % PENALTY_WINDOW

    def accept(self, token_id: int) -> None:
        """Note that ``token_id`` was generated."""
        self.window[self._next] = token_id
        self._next = (self._next + 1) % PENALTY_WINDOW
        self.num_generated += 1
