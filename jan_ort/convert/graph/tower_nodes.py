"""Nodes of a tower's graph: patches, and layers whose patches see all others, of an mmproj file's tensors."""

from __future__ import annotations

import numpy as np

from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.graph.onnx_writer import MICROSOFT, OnnxWriter
from jan_ort.convert.inputs.mmproj_file import MmprojFile, TowerSizes

COLOURS = 3


class TowerNodes(GraphNodes):
    """Adds nodes by the names of llama.cpp's tensors; methods return their result's name.

    ``by_root``: norms are by the root mean square. A tower is float32: it runs on a CPU, once for an image.
    """

    dtype = np.float32

    def __init__(self, writer: OnnxWriter, file: MmprojFile, sizes: TowerSizes, *, by_root: bool) -> None:
        super().__init__(writer)
        self._file = file
        self._sizes = sizes
        self._by_root = by_root

    def weight(self, name: str, *shape: int) -> str:
        """Add a tensor as it is."""
        return self.constant(name, self._file.tensor(name, shape).dequantize())

    def whole(self, name: str, *values: int) -> str:
        """Add integers: one number by itself, or a list of several."""
        return self.constant(name, np.array(values if len(values) > 1 else values[0], np.int64))

    def linear(self, name: str, x: str, rows: int, columns: int) -> str:
        """Multiply by a matrix ``(rows, columns)``, and add its bias if there is one."""
        matrix = self._file.tensor(f"{name}.weight", (rows, columns)).dequantize()
        has_bias = self._file.has_tensor(f"{name}.bias")
        return self.product(name, x, matrix, self._file.vector(f"{name}.bias", rows) if has_bias else None)

    def norm(self, name: str, x: str, size: int = 0) -> str:
        """Normalise the last dimension, of the tower's size by default."""
        weights = [self.weight(f"{name}.weight", size or self._sizes.hidden_size)]
        if self._file.has_tensor(f"{name}.bias"):
            weights.append(self.weight(f"{name}.bias", size or self._sizes.hidden_size))
        return self._normed(x, weights, by_root=self._by_root)

    def root_norm(self, name: str, x: str) -> str:
        """Normalise by the root mean square."""
        return self._normed(x, [self.weight(f"{name}.weight", self._sizes.hidden_size)], by_root=True)

    def _normed(self, x: str, weights: list[str], *, by_root: bool) -> str:
        operator = "SimplifiedLayerNormalization" if by_root else "LayerNormalization"
        return self.node(operator, x, *weights, axis=-1, epsilon=self._sizes.eps)

    def square_patches(self) -> str:
        """Add the input pixel_values, float32 ``(images, 3, side, side)``, and its patches with their positions."""
        sizes = self._sizes
        side, patch, hidden = sizes.image_size, sizes.patch_size, sizes.hidden_size
        pixels = self.writer.input("pixel_values", self.dtype, ["images", COLOURS, side, side])
        weights = [self.weight("v.patch_embd.weight", hidden, COLOURS, patch, patch)]
        if self._file.has_tensor("v.patch_embd.bias"):
            weights.append(self.weight("v.patch_embd.bias", hidden))
        patches = self.node("Conv", pixels, *weights, strides=[patch, patch])  # (images, hidden, rows, columns)
        flat = self.node("Reshape", patches, self.whole("flat_patches", 0, 0, -1))
        places = self.weight("v.position_embd.weight", sizes.patches**2, hidden)
        return self.node("Add", self.node("Transpose", flat, perm=[0, 2, 1]), places)

    def layer(self, number: int, x: str, turned: tuple[str, str] | None = None, bias: str = "") -> str:
        """Add a layer on ``(images, patches, hidden)``: queries and keys are ``turned``, scores have a ``bias``."""
        prefix, hidden = f"v.blk.{number}", self._sizes.hidden_size
        read = self.norm(f"{prefix}.ln1", x)
        query, key, value = (self.linear(f"{prefix}.attn_{part}", read, hidden, hidden) for part in "qkv")
        if turned is not None:
            query, key = (self._turned(each, turned) for each in (query, key))
        inputs = [query, key, value, *(["", "", bias] if bias else [])]
        mixed = self.node("MultiHeadAttention", *inputs, domain=MICROSOFT, num_heads=self._sizes.num_heads)
        x = self.node("Add", x, self.linear(f"{prefix}.attn_out", mixed, hidden, hidden))
        return self.node("Add", x, self._feed_forward(prefix, self.norm(f"{prefix}.ln2", x)))

    def _turned(self, x: str, tables: tuple[str, str]) -> str:
        return self.node("RotaryEmbedding", x, self.constant("first", np.zeros(1, np.int64)), *tables, domain=MICROSOFT)

    def _feed_forward(self, prefix: str, x: str) -> str:
        """Add the block; old files have the names of the ways up and down the wrong way round."""
        hidden, up, down = self._sizes.hidden_size, "ffn_up", "ffn_down"
        if self._file.shape(f"{prefix}.{down}.weight")[-1] == hidden:
            up, down = down, up
        inner = self._file.num_rows(f"{prefix}.{up}.weight")
        read = self.linear(f"{prefix}.{up}", x, inner, hidden)
        if self._file.has_tensor(f"{prefix}.ffn_gate.weight"):
            gate = self.linear(f"{prefix}.ffn_gate", x, inner, hidden)
            read = self.node("Mul", self.activate(gate, self._sizes.activation), read)
        else:
            read = self.activate(read, self._sizes.activation)
        return self.linear(f"{prefix}.{down}", read, hidden, inner)
