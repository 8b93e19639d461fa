"""Idefics3 and SmolVLM: vectors of neighbouring patches stand side by side, and one product follows.

Source: clip.cpp and conversion/smolvlm.py of llama.cpp.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from jan_ort.convert.graph.tower_nodes import TowerNodes
from jan_ort.convert.towers.siglip import SiglipTower

_LANCZOS = 1


class Idefics3Tower(SiglipTower):
    """An image is cut into tiles of the tower's size."""

    projector = "idefics3"
    decoder = "llama"
    model_type = "idefics3"
    places = MappingProxyType({"image_token_id": "<image>"})
    usual_merge = 2

    def _read(self) -> None:
        super()._read()
        self._longest = self.file.integer("clip.vision.preproc_image_size", self.sizes.image_size, high=2**15 - 1)

    def _projected(self, nodes: TowerNodes, x: str) -> str:
        side, merge, hidden = self.sizes.patches, self.merge, self.sizes.hidden_size
        rows = side // merge
        x = nodes.node("Reshape", x, nodes.whole("squares", 0, rows, merge, rows, merge * hidden))
        x = nodes.node("Transpose", x, perm=[0, 1, 3, 2, 4])
        x = nodes.node("Reshape", x, nodes.whole("merged", 0, self.num_vectors, merge**2 * hidden))
        return nodes.linear("mm.model.fc", x, self.sizes.vector_size, merge**2 * hidden)

    def processor(self) -> dict[str, Any]:
        """Return how images are scaled and cut."""
        return {
            "do_image_splitting": True,
            "size": {"longest_edge": self._longest},
            "max_image_size": {"longest_edge": self.sizes.image_size},
            "resample": _LANCZOS,
            "image_seq_len": self.num_vectors,
        }
