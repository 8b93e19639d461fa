"""The order in which a token is chosen, stated once (hop 7).

    logit_bias → repeat, presence and frequency penalties → min_tokens (no end of text yet) and grammar (what it does
    not allow is out) → temperature → top_k → top_p → min_p, or Mirostat in place of these three
    → one draw with the sequence's own random generator

Rows whose candidates are surely among the backend's largest logits are sampled together; any other row is sampled
alone from its whole vocabulary. Which of the two a row takes depends on that row only, and both end in the same
arithmetic over the same candidates, so company never changes a token.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.candidates import adjusted_row, from_largest, largest
from jan_ort.sampling.filters import FilterColumns, choose
from jan_ort.sampling.state import SamplerState
from jan_ort.sampling.whole_row import choose_by_mirostat, choose_without_top_k
from jan_ort_backends import NUM_TOP_LOGITS, BackendError

Drawn = int | Exception
"""The token of one row, or what kept it from one: rows fail one by one."""


class Sampler:
    """Chooses one token for each row of logits, for a model whose generation ends at ``eos_token_ids``."""

    def __init__(self, eos_token_ids: Sequence[int]) -> None:
        self._eos = frozenset(eos_token_ids)
        self._together: list[SamplerState] = []  # the rows of the last step, which are mostly those of the next
        self._columns = FilterColumns.of([])

    def sample(
        self,
        logits: NDArray[np.float32],
        states: Sequence[SamplerState],
        top_logits: NDArray[np.float32] | None = None,
        top_token_ids: NDArray[np.int64] | None = None,
    ) -> list[Drawn]:
        """Return one token id a row, or why that row has none; the states' random generators move on by one draw.

        Args: logits: ``(rows, vocab_size)``, left as it is. top_logits, top_token_ids: ``(rows, k)``, each row's
        largest logits, sorted, or None; the result is the same with and without them.
        """
        uniform = [state.rng.random() for state in states]
        tokens: list[Drawn | None] = [None] * len(states)
        if top_logits is not None and top_token_ids is not None and top_logits.shape[1] >= NUM_TOP_LOGITS:
            top = top_logits[:, :NUM_TOP_LOGITS], top_token_ids[:, :NUM_TOP_LOGITS]
            tokens = self._from_largest(*top, states, uniform)
        return [
            self._from_row(logits[row], states[row], uniform[row]) if token is None else token
            for row, token in enumerate(tokens)
        ]

    def _from_largest(
        self,
        top_logits: NDArray[np.float32],
        top_token_ids: NDArray[np.int64],
        states: Sequence[SamplerState],
        uniform: Sequence[float],
    ) -> list[Drawn | None]:
        """Return the tokens of the rows for which the largest raw logits suffice, None for the others."""
        values = top_logits.astype(np.float64)
        tokens: list[Drawn | None] = [None] * len(states)
        ranked: dict[int, list[int]] = {}
        for row, token_ids in enumerate(top_token_ids):
            try:
                in_order = from_largest(values[row], token_ids, states[row], self._banned(states[row]))
            except Exception as error:
                tokens[row] = error
                continue
            if in_order is None:
                continue
            if states[row].params.num_candidates == 1:
                tokens[row] = in_order[0]
            else:
                ranked[row] = in_order
        places = self._choose_together(values, list(ranked), states, uniform)
        for (row, in_order), place in zip(ranked.items(), places, strict=True):
            tokens[row] = in_order[place]
        return tokens

    def _choose_together(
        self, values: NDArray[np.float64], rows: list[int], states: Sequence[SamplerState], uniform: Sequence[float]
    ) -> list[int]:
        together = [states[row] for row in rows]
        if together != self._together:
            self._together, self._columns = together, FilterColumns.of([state.params for state in together])
        picked = values if len(rows) == len(values) else values[rows]
        return choose(picked, self._columns, [uniform[row] for row in rows])

    def _from_row(self, logits: NDArray[np.float32], state: SamplerState, uniform: float) -> Drawn:
        """Return the token of one row, chosen from its whole vocabulary, or what was raised while it was chosen."""
        try:
            return self._choose_alone(logits, state, uniform)
        except Exception as error:
            return error

    def _choose_alone(self, logits: NDArray[np.float32], state: SamplerState, uniform: float) -> int:
        """Return the token chosen from a whole vocabulary. Raises: BackendError for a NaN in it."""
        if np.isnan(logits.max()):
            raise BackendError("logits are not finite: a row has a NaN beside the largest ones; the model's run failed")
        values, token_ids = adjusted_row(logits, state, self._banned(state))
        num = min(state.params.num_candidates, len(values))
        if num:
            values, places = largest(values, num)
            place = places[choose(values[None], FilterColumns.of([state.params], most=num), [uniform])[0]]
        elif state.params.mirostat_mode:
            place = choose_by_mirostat(values, state, uniform)
        else:
            place = choose_without_top_k(values, state.params, uniform)
        return int(token_ids[place])

    def _banned(self, state: SamplerState) -> Collection[int]:
        params = state.params
        if state.num_generated < params.min_tokens:
            return self._eos | params.stop_token_ids if params.stop_token_ids else self._eos
        return self._eos if params.ignores_eos else ()
