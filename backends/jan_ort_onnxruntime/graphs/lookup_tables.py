"""How many tokens and positions a graph has tables for: more than that it cannot look up, whatever a file states."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jan_ort_onnxruntime.graphs.protobuf_wire import Field, as_text, read_numbers

_COSINES = {"GroupQueryAttention": 7, "RotaryEmbedding": 2}
"""The input with the cosines of all positions."""

_LOOKUPS = {"Gather": (0, 1), "GatherBlockQuantized": (0, 1), "EmbedLayerNormalization": (2, 0)}
"""The input with a table, and the one with the rows that are wanted."""

_LEARNED = ("positions", "position_embeddings.weight", "wpe.weight")
"""Ends of the names of tables of learned positions."""


class Table(NamedTuple):
    """An initializer with a row for each token or position."""

    num_rows: int
    name: str


@dataclass(frozen=True, slots=True)
class LookupTables:
    """The shortest tables of tokens and of positions; None where the graph has none that is understood."""

    tokens: Table | None = None
    positions: Table | None = None

    @classmethod
    def read(
        cls,
        nodes: Iterable[Sequence[tuple[int, Field]]],
        op_types: Iterable[str],
        tensors: Iterable[Sequence[tuple[int, Field]]],
    ) -> LookupTables:
        """Read them from the fields of the graph's NodeProtos, with their operators, and of its TensorProtos."""
        tables = {table.name: table for table in _tables(tensors)}
        tokens, positions = list[str](), [name for name in tables if name.endswith(_LEARNED)]
        for node, op_type in zip(nodes, op_types, strict=True):
            if op_type not in _COSINES and op_type not in _LOOKUPS:
                continue
            inputs = dict(enumerate(as_text(value) for number, value in node if number == 1))
            if op_type in _COSINES:
                positions.append(inputs.get(_COSINES[op_type], ""))
            elif inputs.get(_LOOKUPS[op_type][1]) == "input_ids":
                tokens.append(inputs.get(_LOOKUPS[op_type][0], ""))
        return cls(
            *(min((tables[name] for name in names if name in tables), default=None) for names in (tokens, positions))
        )


def _tables(tensors: Iterable[Sequence[tuple[int, Field]]]) -> Iterator[Table]:
    for tensor in tensors:
        shape = [size for number, value in tensor if number == 1 for size in read_numbers(value)]
        if len(shape) == 2 and shape[0] > 0:
            yield Table(shape[0], next((as_text(value) for number, value in tensor if number == 8), ""))
