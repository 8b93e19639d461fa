"""Gemma 3: squares of patches become their mean, which is normalised and multiplied.

Source: clip.cpp and conversion/gemma.py of llama.cpp, which adds the 1 to the norm's weight.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from jan_ort.convert.graph.tower_nodes import TowerNodes
from jan_ort.convert.graph.vector_operations import BothWaysOperations
from jan_ort.convert.towers.siglip import SiglipTower

_BILINEAR = 2


class Gemma3Tower(SiglipTower):
    """An image is scaled to the tower's square."""

    projector = "gemma3"
    decoder = "gemma3"
    model_type = "gemma3"
    places = MappingProxyType(
        {
            "boi_token_index": "<start_of_image>",
            "eoi_token_index": "<end_of_image>",
            "image_token_index": "<image_soft_token>",
        }
    )
    operations = BothWaysOperations
    usual_merge = 4

    def _projected(self, nodes: TowerNodes, x: str) -> str:
        side, merge, hidden = self.sizes.patches, self.merge, self.sizes.hidden_size
        x = nodes.node("Transpose", x, perm=[0, 2, 1])
        x = nodes.node("Reshape", x, nodes.whole("squares", 0, 0, side, side))
        x = nodes.node("AveragePool", x, kernel_shape=[merge, merge], strides=[merge, merge])
        x = nodes.node("Transpose", nodes.node("Reshape", x, nodes.whole("flat", 0, 0, -1)), perm=[0, 2, 1])
        x = nodes.root_norm("mm.soft_emb_norm", x)
        return nodes.node("MatMul", x, nodes.weight("mm.input_projection.weight", hidden, self.sizes.vector_size))

    def processor(self) -> dict[str, Any]:
        """Return how images are scaled."""
        side = self.sizes.image_size
        return {
            "size": {"height": side, "width": side},
            "resample": _BILINEAR,
            "image_seq_length": self.num_vectors,
        }
