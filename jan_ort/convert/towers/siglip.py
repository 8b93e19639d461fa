"""The tower that Idefics3 and Gemma 3 share: SigLIP's, of images of one square size."""

from __future__ import annotations

from abc import abstractmethod

from jan_ort.convert.graph.tower_nodes import TowerNodes
from jan_ort.convert.towers.tower import Tower


class SiglipTower(Tower):
    """``merge``: how many patches, on a side, become one vector. Source: Zhai et al. 2023, arXiv:2303.15343."""

    usual_merge: int

    def _read(self) -> None:
        self.merge = self.file.integer("clip.vision.projector.scale_factor", self.usual_merge, high=64)
        if self.sizes.patches % self.merge:
            self.file.refuse(f"{self.sizes.patches} patches on a side cannot be merged {self.merge} by {self.merge}")

    @property
    def num_vectors(self) -> int:
        """How many vectors an image has."""
        return (self.sizes.patches // self.merge) ** 2

    def build(self, nodes: TowerNodes) -> str:
        """Add the layers and the projection."""
        x = nodes.square_patches()
        for layer in range(self.sizes.num_layers):
            x = nodes.layer(layer, x)
        return self._projected(nodes, nodes.norm("v.post_ln", x))

    @abstractmethod
    def _projected(self, nodes: TowerNodes, x: str) -> str:
        """Add what makes the decoder's vectors of ``(images, patches, hidden)``."""
