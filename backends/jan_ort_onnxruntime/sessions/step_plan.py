"""Split a step into runs of the graph that ONNX Runtime's GroupQueryAttention can do on a CPU.

It takes one sequence with any past, or many sequences of one new token, or many first prompts padded on the right;
rows of one run are adjacent in the KV cache. All of it gives the same logits to the bit, so the choice is of speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import SlotTokens

MAX_HOLES = 3
"""Idle rows between two active ones that are computed along: each costs about 2 ms, one more run costs 8 ms."""

MAX_PADDING = 1.25
"""First prompts share a run while the padded tokens are at most this many times the real ones."""

QUERY_BLOCK = 32
"""Attention takes a row's queries in blocks, of a multiple of these: twice a head's size, or what a small cache holds.
A last block of one query goes to another kernel, with other bits, so no row may have one.
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run over adjacent KV rows, of which ``rows`` go on and any others are idle.

    ``token_ids`` int64 ``(rows, sequence)``; ``seqlens_k`` int32 ``(rows,)``, each row's tokens after the run less
    one; ``logits_rows`` int64, indices into the flattened token_ids; ``output_rows`` says where these logits belong in
    the step's output.
    """

    first_row: int
    token_ids: NDArray[np.int64]
    seqlens_k: NDArray[np.int32]
    logits_rows: NDArray[np.int64]
    output_rows: tuple[int, ...]
    rows: tuple[int, ...]

    def positions(self) -> NDArray[np.int64]:
        """Return each token's position, int64 ``(rows, sequence)``: padded first prompts begin at 0."""
        width = self.token_ids.shape[1]
        ends = self.seqlens_k.astype(np.int64)[:, np.newaxis]  # (rows, 1)
        positions: NDArray[np.int64] = np.maximum(ends + 1 - width, 0) + np.arange(width)
        return positions


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row of the batch with its place in the KV cache and in the output."""

    row: int
    past: int
    token_ids: NDArray[np.int64]
    num_logits: int
    first_output: int

    def logits_rows(self, offset: int) -> range:
        """Return the positions of the wanted logits when the row's tokens begin at ``offset``."""
        end = offset + len(self.token_ids)
        return range(end - self.num_logits, end)

    def output_rows(self) -> range:
        return range(self.first_output, self.first_output + self.num_logits)

    def parts(self) -> list[_Entry]:
        """Return the row as it is, or in two where its last block would have one query."""
        if len(self.token_ids) % QUERY_BLOCK != 1:
            return [self]
        cut, before = len(self.token_ids) - 2, max(0, self.num_logits - 2)
        first, last = self.token_ids[:cut], self.token_ids[cut:]
        return [
            _Entry(self.row, self.past, first, before, self.first_output),
            _Entry(self.row, self.past + cut, last, self.num_logits - before, self.first_output + before),
        ]


def plan_runs(
    batch: Sequence[SlotTokens],
    rows: Sequence[int],
    lengths: Sequence[int],
    context_length: int,
    *,
    shares_runs: bool = True,
    pads: bool = True,
) -> list[Run]:
    """Plan a step; ``rows`` and ``lengths`` give each slot's KV row and number of tokens.

    ``shares_runs``: several sequences may be in one run; else each is alone. ``pads``: so may first prompts of several
    lengths.
    """
    entries, first_output = [], 0
    for item in batch:
        entries.append(_Entry(rows[item.slot], lengths[item.slot], item.token_ids, item.num_logits, first_output))
        first_output += item.num_logits
    entries.sort(key=lambda entry: entry.row)
    # A hole's token is written just past the row's content, where the next real token overwrites it; in a full row at
    # the last position, which nothing reads any more: there is no position after it.
    held = {row: min(length, context_length - 1) for row, length in zip(rows, lengths, strict=True)}
    # A row of one token is always a decode, so that its logits do not depend on its company.
    decodes = [entry for entry in entries if len(entry.token_ids) == 1]
    prompts = [entry for entry in entries if len(entry.token_ids) > 1]
    grouped = _adjacent if shares_runs else _each_alone
    runs = [_decode_run(group, held) for group in grouped(decodes, MAX_HOLES)]
    for group in (grouped if pads else _each_alone)(prompts, 0):
        runs.extend(_prompt_runs(group))
    return runs


def plan_alone(batch: Sequence[SlotTokens], rows: Sequence[int], held: Sequence[NDArray[np.int64]]) -> list[Run]:
    """Plan a step of one row a run, for attention that takes several tokens only at the beginning of a sequence.

    ``rows`` gives each slot's KV row and ``held`` its tokens so far, int64 ``(length,)``.
    One token follows on what the row holds. Several tokens run together with all that came before them, from the
    beginning: that writes the same keys and values again, and is one run instead of one for each token.
    """
    runs, first_output = [], 0
    for item in batch:
        past = held[item.slot]
        token_ids = item.token_ids if len(item.token_ids) == 1 else np.concatenate([past, item.token_ids])
        total = len(past) + len(item.token_ids)
        runs.append(
            Run(
                first_row=rows[item.slot],
                token_ids=token_ids[np.newaxis],
                seqlens_k=np.array([total - 1], np.int32),
                logits_rows=np.arange(len(token_ids) - item.num_logits, len(token_ids)),
                output_rows=tuple(range(first_output, first_output + item.num_logits)),
                rows=(rows[item.slot],),
            )
        )
        first_output += item.num_logits
    return runs


def _adjacent(entries: Sequence[_Entry], max_holes: int) -> list[list[_Entry]]:
    """Group entries, sorted by row, that have at most ``max_holes`` rows between one and the next."""
    groups: list[list[_Entry]] = []
    for entry in entries:
        if groups and entry.row - groups[-1][-1].row - 1 <= max_holes:
            groups[-1].append(entry)
        else:
            groups.append([entry])
    return groups


def _each_alone(entries: Sequence[_Entry], max_holes: int) -> list[list[_Entry]]:
    return [[entry] for entry in entries]


def _decode_run(group: Sequence[_Entry], held: dict[int, int]) -> Run:
    """One token a row; ``held`` says where a hole's token is written."""
    first, num_rows = group[0].row, group[-1].row - group[0].row + 1
    token_ids = np.zeros((num_rows, 1), np.int64)
    seqlens_k = np.array([held[row] for row in range(first, first + num_rows)], np.int32)
    for entry in group:
        token_ids[entry.row - first] = entry.token_ids
    return _run(group, token_ids, seqlens_k)


def _prompt_runs(group: Sequence[_Entry]) -> list[Run]:
    """Pad first prompts of similar length to one run; anything else runs by itself."""
    longest = max(len(entry.token_ids) for entry in group)
    total = sum(len(entry.token_ids) for entry in group)
    alone = len(group) == 1 or any(entry.past for entry in group) or longest * len(group) > MAX_PADDING * total
    if alone or longest % QUERY_BLOCK == 1:
        return [
            _run([part], part.token_ids[np.newaxis], np.array([part.past + len(part.token_ids) - 1], np.int32))
            for entry in group
            for part in entry.parts()
        ]
    token_ids = np.zeros((len(group), longest), np.int64)
    for index, entry in enumerate(group):
        token_ids[index, : len(entry.token_ids)] = entry.token_ids
    return [_run(group, token_ids, np.array([len(entry.token_ids) - 1 for entry in group], np.int32))]


def _run(group: Sequence[_Entry], token_ids: NDArray[np.int64], seqlens_k: NDArray[np.int32]) -> Run:
    first, width = group[0].row, token_ids.shape[1]
    wanted = [index for entry in group for index in entry.logits_rows((entry.row - first) * width)]
    outputs = tuple(index for entry in group for index in entry.output_rows())
    return Run(first, token_ids, seqlens_k, np.array(wanted, np.int64), outputs, tuple(entry.row for entry in group))
