"""Latent attention in the graph: each head's query is brought to where the cached vector is, instead of the reverse.

So all heads share one key and one value, as GroupQueryAttention has them: the vector, and behind it what rotates, which
is left out of what was attended to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.graph.operations import LatentAttention
from jan_ort.convert.inputs.checkpoint import Checkpoint


class OnnxLatent:
    """Adds the nodes; ``rotate`` adds those of a rotation, ``constant`` a constant of the graph's type."""

    def __init__(
        self,
        source: Checkpoint,
        writer: OnnxWriter,
        rotate: Callable[[str, LatentAttention], str],
        constant: Callable[[str, NDArray[Any]], str],
    ) -> None:
        self._source = source
        self._writer = writer
        self._rotate = rotate
        self._constant = constant

    def attend(self, name: str, projections: tuple[str, str, str], attention: LatentAttention) -> str:
        """Add the attention; ``projections`` are queries, the keys that rotate, and the vectors."""
        writer, sizes, heads = self._writer, attention.sizes, attention.num_heads
        query, key, vector = projections
        width = sizes.rank + sizes.rotating
        still, rotating = self._split(self._writer.reshape(query, f"{name}_q.heads", [0, 0, heads, -1]), sizes.still, 3)
        rotated = self._rotate(self._writer.reshape(rotating, f"{name}_q_rotating", [0, 0, -1]), attention)
        rotated = self._writer.reshape(rotated, f"{name}_q_rotated.heads", [0, 0, heads, -1])
        absorbed = self._each_head(f"{name}_k_b", still, attention.keys, (heads, sizes.rank, sizes.still))
        queries = writer.node("Concat", [absorbed, rotated], [f"{name}_q.whole"], axis=-1)
        queries = self._writer.reshape(queries, f"{name}_q.flat", [0, 0, heads * width])
        keys = writer.node("Concat", [vector, self._rotate(key, attention)], [f"{name}_k.whole"], axis=-1)
        past = [f"past_key_values.{attention.layer}.{kind}" for kind in ("key", "value")]
        inputs = [queries, keys, keys, *past, "seqlens_k", "total_sequence_length"]
        outputs = [f"{name}.out", *(f"present.{attention.layer}.{kind}" for kind in ("key", "value"))]
        at: dict[str, Any] = {"num_heads": heads, "kv_num_heads": 1, "scale": sizes.scale}
        attended = writer.node("GroupQueryAttention", inputs, outputs, domain=MICROSOFT, **at)
        seen, _ = self._split(self._writer.reshape(attended, f"{name}.heads", [0, 0, heads, width]), sizes.rank, 3)
        values = self._each_head(f"{name}_v_b", seen, attention.values, (heads, sizes.value, sizes.rank))
        return self._writer.reshape(values, f"{name}_v_b.flat", [0, 0, heads * sizes.value])

    def _each_head(self, name: str, x: str, tensor: str, shape: tuple[int, int, int]) -> str:
        """Multiply each head of x, ``(batch, sequence, heads, columns)``, by a matrix of its own."""
        writer = self._writer
        weight = self._source.tensor(f"{tensor}.weight", shape).dequantize().swapaxes(1, 2)
        apart = writer.node("Transpose", [x], [f"{name}.in"], perm=[0, 2, 1, 3])
        product = writer.node("MatMul", [apart, self._constant(f"{name}.weight", weight)], [f"{name}.product"])
        return writer.node("Transpose", [product], [f"{name}.each"], perm=[0, 2, 1, 3])

    def _split(self, x: str, first: int, axis: int) -> tuple[str, str]:
        """Return the first values of x and the others."""
        outputs = (f"{x}.first", f"{x}.rest")
        begin, end, last, axes = (
            self._writer.initializer(f"{x}.{kind}", np.array([at], np.int64))
            for kind, at in (("begin", 0), ("middle", first), ("end", 2**62), ("axis", axis))
        )
        self._writer.node("Slice", [x, begin, end, axes], [outputs[0]])
        self._writer.node("Slice", [x, end, last, axes], [outputs[1]])
        return outputs
