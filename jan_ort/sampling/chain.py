"""The order in which a token is chosen, stated once (hop 7).

    min_tokens (no end of text yet) → repeat, presence and frequency penalties → temperature → top_k → top_p → min_p
    → one draw with the sequence's own random generator

A row whose candidates are surely among the backend's largest logits is sampled together with all others like it; any
other row is sampled alone from its whole vocabulary. Which of the two a row takes depends on that row only, and both
end in the same arithmetic over the same candidates, so company never changes a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.sampling.candidates import WIDTH, select_candidates, sort_candidates
from jan_ort.sampling.filters import draw, keep_min_p, keep_top_p, softmax_top_k
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.penalties import count_in_window, penalise
from jan_ort.sampling.state import SamplerState


@dataclass(frozen=True, slots=True)
class ParamsTable:
    """The sampling fields of several rows as columns: float64 or int64 ``(rows, 1)``."""

    temperature: NDArray[np.float64]
    top_k: NDArray[np.int64]
    top_p: NDArray[np.float64]
    min_p: NDArray[np.float64]
    repeat: NDArray[np.float64]
    presence: NDArray[np.float64]
    frequency: NDArray[np.float64]

    @classmethod
    def of(cls, params: Sequence[SamplingParams]) -> ParamsTable:
        """Gather the fields; a temperature of 0 becomes the choice among one candidate, which is argmax."""
        greedy = [p.temperature == 0.0 for p in params]
        columns = np.array(
            [
                (
                    1.0 if g else p.temperature,
                    p.top_p,
                    p.min_p,
                    p.repeat_penalty,
                    p.presence_penalty,
                    p.frequency_penalty,
                )
                for p, g in zip(params, greedy, strict=True)
            ]
        )
        top_k = np.array([[1 if g else p.top_k] for p, g in zip(params, greedy, strict=True)])
        temperature, top_p, min_p, repeat, presence, frequency = np.split(columns, 6, axis=1)
        return cls(temperature, top_k, top_p, min_p, repeat, presence, frequency)


class Sampler:
    """Chooses one token for each row of logits, for a model whose generation ends at ``eos_token_ids``."""

    def __init__(self, eos_token_ids: Sequence[int]) -> None:
        self._eos = np.array(eos_token_ids, dtype=np.int64)

    def sample(
        self,
        logits: NDArray[np.float32],
        states: Sequence[SamplerState],
        top_logits: NDArray[np.float32] | None = None,
        top_token_ids: NDArray[np.int64] | None = None,
    ) -> list[int]:
        """Return one token id a row; the states' random generators move on by one draw.

        Args: logits: ``(rows, vocab_size)``, left as it is. top_logits, top_token_ids: ``(rows, k)``, each row's
        largest logits, sorted, or None; the result is the same with and without them.
        """
        uniform = np.array([[state.rng.random()] for state in states])
        table = ParamsTable.of([state.params for state in states])
        tokens = np.empty(len(states), dtype=np.int64)
        rest: NDArray[np.intp] = np.arange(len(states))
        if top_logits is not None and top_token_ids is not None and top_logits.shape[1] >= WIDTH:
            values, token_ids, surely = self._from_top(top_logits, top_token_ids, states, table)
            tokens[surely] = _choose(values, token_ids, _rows(table, surely), uniform[surely])
            rest = np.flatnonzero(~surely)
        for row in rest:
            values, token_ids = self._from_row(logits[row], states[row], _rows(table, np.array([row])))
            one = np.array([row])
            tokens[row] = _choose(values, token_ids, _rows(table, one), uniform[one])[0]
        return [int(token) for token in tokens]

    def _from_top(
        self,
        top_logits: NDArray[np.float32],
        top_token_ids: NDArray[np.int64],
        states: Sequence[SamplerState],
        table: ParamsTable,
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Return candidates of the rows for which the largest raw logits suffice, and which rows these are.

        Penalties of the usual sign only lower logits. So while at least top_k of the largest are not penalised, no
        token outside them can be among the top_k.
        """
        values = top_logits[:, :WIDTH].astype(np.float64)
        token_ids = top_token_ids[:, :WIDTH]
        counts = count_in_window(token_ids, np.stack([state.window for state in states]))
        penalise(values, counts, table.repeat, table.presence, table.frequency)
        lowered = counts > 0
        for row, state in enumerate(states):
            if not state.params.has_penalties:
                lowered[row] = False
            if state.num_generated < state.params.min_tokens:
                ends = np.isin(token_ids[row], self._eos)
                values[row, ends], lowered[row, ends] = -np.inf, True
        only_lower = np.array([state.params.penalties_only_lower for state in states])
        top_k = table.top_k[:, 0]
        surely = only_lower & (top_k >= 1) & ((~lowered).sum(axis=-1) >= top_k)
        return *sort_candidates(values[surely], token_ids[surely]), surely

    def _from_row(
        self, logits: NDArray[np.float32], state: SamplerState, table: ParamsTable
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the candidates of one row from its whole vocabulary, ``(1, k)`` each."""
        values = logits.astype(np.float64)
        recent = np.unique(state.window[(state.window >= 0) & (state.window < len(values))])
        if len(recent):
            penalised = values[recent][None]
            counts = count_in_window(recent[None], state.window[None])
            penalise(penalised, counts, table.repeat, table.presence, table.frequency)
            values[recent] = penalised[0]
        if state.num_generated < state.params.min_tokens:
            values[self._eos] = -np.inf
        return select_candidates(values, int(table.top_k[0, 0]))


def _rows(table: ParamsTable, rows: NDArray[np.bool_] | NDArray[np.intp]) -> ParamsTable:
    """Return the table of the chosen rows only."""
    columns = (table.temperature, table.top_k, table.top_p, table.min_p, table.repeat, table.presence, table.frequency)
    return ParamsTable(*(column[rows] for column in columns))  # type: ignore[arg-type]


def _choose(
    values: NDArray[np.float64], token_ids: NDArray[np.int64], table: ParamsTable, uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Filter sorted candidates and draw one a row: ``(rows,)`` token ids."""
    if not len(values):
        return np.empty(0, dtype=np.int64)
    top_k = np.where(table.top_k == 0, values.shape[1], table.top_k)
    probs = softmax_top_k(values, table.temperature, top_k)
    keep_top_p(probs, table.top_p)
    keep_min_p(probs, table.min_p)
    chosen = draw(probs, uniform)
    tokens: NDArray[np.int64] = np.take_along_axis(token_ids, chosen[:, None], axis=-1)[:, 0]
    return tokens
