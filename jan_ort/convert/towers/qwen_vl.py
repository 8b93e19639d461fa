"""Qwen2-VL and Qwen2.5-VL: images of any shape, whose patches rotate by row and column.

Source: models/qwen2vl.cpp and conversion/qwenvl.py of llama.cpp; Wang et al. 2024, arXiv:2409.12191, section 2.1.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from jan_ort.convert.graph.tower_nodes import COLOURS, TowerNodes
from jan_ort.convert.graph.vector_operations import AxesOperations
from jan_ort.convert.towers.tower import Tower

_FRAMES = 2
"""How often an image is repeated in time: a patch is of so many."""

_BICUBIC = 3
_THETA = 10_000.0
_WINDOW = 112
_FAR = 2**16
_LEAST_PIXELS, _MOST_PIXELS = 3136, 12_845_056
"""Of a scaled image, as the released models have it: no file says them."""


class Qwen2VlTower(Tower):
    """The input pixel_values has patches, float32 ``(patches, 3 * 2 * patch_size²)``, those of a vector together.

    image_grid_thw is int64 ``(1, 3)``: how many there are in time, and on a side.
    """

    projector = "qwen2vl_merger"
    decoder = "qwen2vl"
    model_type = "qwen2_vl"
    places = MappingProxyType({"image_token_id": "<|image_pad|>"})
    operations = AxesOperations
    rank = 2

    def _read(self) -> None:
        self._merge = self.file.integer("clip.vision.spatial_merge_size", 2, high=64)
        self._least = self.file.integer("clip.vision.image_min_pixels", _LEAST_PIXELS)
        self._most = self.file.integer("clip.vision.image_max_pixels", _MOST_PIXELS)
        if self.sizes.hidden_size // self.sizes.num_heads % 4:
            self.file.refuse("heads whose size is not a multiple of 4 cannot rotate by row and column")

    def build(self, nodes: TowerNodes) -> str:
        """Add the layers and what merges patches."""
        sizes = self.sizes
        x = self._patches(nodes)
        row, column = self._places(nodes)
        turned = self._tables(nodes, row, column)
        bias = self._window_bias(nodes, row, column)
        for layer in range(sizes.num_layers):
            x = nodes.layer(layer, x, turned, "" if self._sees_all(layer) else bias)
        merged = self._merge**2 * sizes.hidden_size
        x = nodes.node("Reshape", nodes.norm("v.post_ln", x), nodes.whole("merged", -1, merged))
        x = nodes.activate(nodes.linear("mm.0", x, merged, merged), "gelu")
        return nodes.linear("mm.2", x, sizes.vector_size, merged)

    def _sees_all(self, layer: int) -> bool:
        """Whether a layer's patches see all others."""
        return True

    def _window_bias(self, nodes: TowerNodes, row: str, column: str) -> str:
        """Add what scores of other layers get, float32 ``(1, 1, patches, patches)``."""
        return ""

    def _patches(self, nodes: TowerNodes) -> str:
        """Add the inputs, and each patch's vector, ``(1, patches, hidden)``."""
        hidden, patch = self.sizes.hidden_size, self.sizes.patch_size
        width = COLOURS * _FRAMES * patch**2
        pixels = nodes.writer.input("pixel_values", nodes.dtype, ["patches", width])
        nodes.writer.input("image_grid_thw", np.int64, [1, 3])
        shape = (hidden, COLOURS, patch, patch)
        frames = [
            self.file.tensor(f"v.patch_embd.weight{end}", shape).dequantize().reshape(hidden, COLOURS, 1, -1)
            for end in ("", ".1")
        ]
        matrix = np.concatenate(frames, axis=2).reshape(hidden, width)
        vectors = nodes.product("patch_embd", pixels, matrix, None)
        return nodes.node("Unsqueeze", vectors, nodes.constant("first_axis", np.zeros(1, np.int64)))

    def _places(self, nodes: TowerNodes) -> tuple[str, str]:
        """Add each patch's row and column, int64 ``(patches,)``: blocks of one vector follow each other."""
        node, whole, merge = nodes.node, nodes.whole, self._merge
        count = node("Squeeze", node("Shape", "pixel_values", start=0, end=1))
        at = node("Range", whole("zero", 0), count, whole("one", 1))
        width = node("Gather", node("Squeeze", "image_grid_thw"), whole("two", 2), axis=0)
        across = node("Div", width, whole("merge", merge))
        block, inner = (node(kind, at, whole("block", merge**2)) for kind in ("Div", "Mod"))
        places = []
        for kind in ("Div", "Mod"):
            first = node("Mul", node(kind, block, across), whole("merge", merge))
            places.append(node("Add", first, node(kind, inner, whole("merge", merge))))
        return places[0], places[1]

    def _tables(self, nodes: TowerNodes, row: str, column: str) -> tuple[str, str]:
        """Add cosines and sines, ``(patches, head_dim / 2)``: the first half by row, the second by column."""
        size = self.sizes.hidden_size // self.sizes.num_heads // 2
        frequencies = nodes.constant("frequencies", (_THETA ** -(np.arange(0, size, 2) / size)).astype(np.float32))
        angles = []
        for place in (row, column):
            tall = nodes.node("Reshape", nodes.node("Cast", place, to=1), nodes.whole("tall", -1, 1))
            angles.append(nodes.node("Mul", tall, frequencies))
        both = nodes.node("Concat", *angles, axis=-1)
        return nodes.node("Cos", both), nodes.node("Sin", both)

    def processor(self) -> dict[str, Any]:
        """Return how images are scaled."""
        return {
            "patch_size": self.sizes.patch_size,
            "merge_size": self._merge,
            "temporal_patch_size": _FRAMES,
            "min_pixels": self._least,
            "max_pixels": self._most,
            "resample": _BICUBIC,
        }


class Qwen25VlTower(Qwen2VlTower):
    """Only the last layer of each ``period`` sees a whole image, others see windows; norms are by the root."""

    projector = "qwen2.5vl_merger"
    model_type = "qwen2_5_vl"
    normed_by_root = True

    def _read(self) -> None:
        super()._read()
        self._period = self.file.integer("clip.vision.n_wa_pattern", high=1024)
        window = self.file.integer("clip.vision.window_size", _WINDOW)
        self._side = window // self._merge // self.sizes.patch_size * self._merge
        if not self._side:
            self.file.refuse(f"windows of {window} pixels are smaller than a vector's patches; the file is damaged")

    def _sees_all(self, layer: int) -> bool:
        return (layer + 1) % self._period == 0

    def _window_bias(self, nodes: TowerNodes, row: str, column: str) -> str:
        node, side = nodes.node, nodes.whole("window", self._side)
        down, across = (node("Div", place, side) for place in (row, column))
        number = node("Add", node("Mul", down, nodes.whole("far", _FAR)), across)
        tall = node("Reshape", number, nodes.whole("tall", -1, 1))
        seen, unseen = (nodes.constant(f"bias_{each}", np.array(each, np.float32)) for each in (0, -1e30))
        bias = node("Where", node("Equal", tall, number), seen, unseen)
        return node("Unsqueeze", bias, nodes.whole("first_axes", 0, 1))
