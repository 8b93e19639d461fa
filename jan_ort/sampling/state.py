"""What sampling remembers of one sequence: its own random numbers and the tokens that penalties look back on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.params import PENALTY_WINDOW, SamplingParams

_NOTHING: Mapping[int, int] = MappingProxyType({})


def _entropy(seed: int) -> int:
    """Map any integer, also a negative or a huge one, to its own non-negative integer."""
    return 2 * seed if seed >= 0 else -2 * seed - 1


class SamplerState:
    """One sequence's random generator and its window of the last ``PENALTY_WINDOW`` tokens.

    The generator belongs to the sequence, so its tokens do not depend on the company it is sampled in. ``choice``
    separates the n choices of one prompt; choice 0 of a list of prompts draws like the prompt alone.
    """

    __slots__ = ("_counts", "choice", "num_generated", "params", "rng", "window")

    def __init__(self, params: SamplingParams, prompt: NDArray[np.int64], *, choice: int = 0) -> None:
        self.params = params
        self.choice = choice
        self.num_generated = 0
        entropy = None if params.seed is None else _entropy(params.seed)
        self.rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(choice,))))
        self.window: deque[int] = deque()
        self._counts: dict[int, int] = {}
        for token_id in prompt[-PENALTY_WINDOW:].tolist():
            self._note(token_id)

    @property
    def penalised(self) -> Mapping[int, int]:
        """How often each token of the window stands in it; empty if no penalty changes anything."""
        return self._counts if self.params.has_penalties else _NOTHING

    def accept(self, token_id: int) -> None:
        """Note that ``token_id`` was generated."""
        self._note(token_id)
        self.num_generated += 1

    def _note(self, token_id: int) -> None:
        if len(self.window) == PENALTY_WINDOW:
            oldest = self.window.popleft()
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        self.window.append(token_id)
        self._counts[token_id] = self._counts.get(token_id, 0) + 1
