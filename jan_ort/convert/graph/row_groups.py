"""Rows in groups, each of which is multiplied by a matrix of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jan_ort.convert.graph.onnx_writer import OnnxWriter

_TAKES_NO_ROWS_SINCE = "1.31"  # a MatMulNBits of a group without rows ends the process before


def in_groups(writer: OnnxWriter, name: str, x: str, counts: str, products: Sequence[Callable[[str, str], str]]) -> str:
    """Add the rows of x in groups of ``counts``, through one product each, which is given its input and output."""
    writer.need_runtime(_TAKES_NO_ROWS_SINCE)
    groups = [f"{name}.{number}.rows" for number in range(len(products))]
    writer.node("Split", [x, counts], groups, axis=0)
    said = [
        multiply(rows, f"{name}.{number}.out")
        for number, (multiply, rows) in enumerate(zip(products, groups, strict=True))
    ]
    return writer.node("Concat", said, [f"{name}.out"], axis=0)
