"""One sequence of tokens on its way through the engine: its prompt, its slot, how far it is computed (hops 5, 6)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import EmbeddedRun, State

_ids = itertools.count()


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a slot held, as the session's own bytes; ``cached`` are the tokens of it that prefill computed."""

    state: State
    cached: NDArray[np.int64]


@dataclass(slots=True, eq=False)
class TokenSequence:
    """A prompt and the tokens generated after it, as the scheduler sees them.

    ``prompt``: int64 ``(n,)``, n >= 1, what is to be computed in chunks; ``tail`` the tokens that were generated after
    it, of which all but the last are computed. ``num_computed`` counts the tokens whose keys and values are in the
    slot; ``num_cached`` the part of the prompt that was found there. ``index`` is the sequence's place in its request.
    ``wants_prompt_logits``: every position of the prompt is computed anew, for its logits. ``embedded`` are the runs of
    the prompt's images, by where they begin; in the prompt there are stand-ins (``embedded.py``).

    ``owner`` stands for the key of its request: keys take turns. It shares cached prefixes within its ``scope`` only.
    ``placed_at`` is when it got a slot for the first time, on the clock of ``time.perf_counter``.
    While it is set aside ``saved`` is what its slot held; one that ``keeps_slot`` could not be saved.
    """

    prompt: NDArray[np.int64]
    request_id: str = ""
    index: int = 0
    id: int = field(default_factory=lambda: next(_ids))
    wants_prompt_logits: bool = False
    slot: int | None = None
    num_computed: int = 0
    num_cached: int = 0
    tail: list[int] = field(default_factory=list)
    embedded: Mapping[int, EmbeddedRun] = field(default_factory=dict)
    owner: str = ""
    scope: str = ""
    saved: Saved | None = None
    keeps_slot: bool = False
    placed_at: float | None = field(default=None, compare=False)

    @property
    def num_prompt_tokens(self) -> int:
        """The length of the prompt."""
        return len(self.prompt)

    @property
    def num_remaining(self) -> int:
        """How many tokens of the prompt are not computed yet."""
        return len(self.prompt) - self.num_computed

    @property
    def is_prefilled(self) -> bool:
        """Whether the whole prompt is in the slot, so that the next row is one generated token."""
        return self.num_computed >= len(self.prompt)

    def since(self, position: int) -> list[int]:
        """Return the tokens from this position on."""
        num = len(self.prompt)
        if position >= num:
            return self.tail[position - num :]
        return [*self.prompt[position:].tolist(), *self.tail]

    def append(self, token_id: int) -> None:
        """Add a generated token: the next decode step's input."""
        self.tail.append(token_id)

    def append_known(self, token_ids: list[int]) -> None:
        """Add tokens that need no sampling: the next step computes the last generated one and these as one chunk."""
        self.prompt = np.concatenate([self.prompt, np.array([*self.tail, *token_ids], dtype=np.int64)])
        self.tail.clear()
