"""Towers of models that read images, as mmproj files have them: one recipe a family."""

from __future__ import annotations

from jan_ort.convert.inputs.mmproj_file import MmprojFile
from jan_ort.convert.towers.gemma3 import Gemma3Tower
from jan_ort.convert.towers.idefics3 import Idefics3Tower
from jan_ort.convert.towers.qwen_vl import Qwen2VlTower, Qwen25VlTower
from jan_ort.convert.towers.tower import Tower

TOWERS: tuple[type[Tower], ...] = (Idefics3Tower, Gemma3Tower, Qwen2VlTower, Qwen25VlTower)


def read_tower(file: MmprojFile, architecture: str, hidden_size: int) -> Tower:
    """Return the tower of a file that belongs to a decoder of this architecture and size.

    Raises: ConversionError if it belongs to another one, or is of no kind that is supported.
    """
    kinds = {kind.projector: kind for kind in TOWERS}
    if (kind := kinds.get(file.projector)) is None:
        file.refuse(f"the projector {file.projector!r:.80} is not supported; supported: {', '.join(kinds)}")
    if architecture != kind.decoder:
        file.refuse(f"it belongs to a {kind.decoder!r}, and the model beside it is a {architecture!r:.80}")
    tower = kind(file)
    if tower.sizes.vector_size != hidden_size:
        file.refuse(
            f"its vectors have {tower.sizes.vector_size} numbers and the model's {hidden_size}; take the mmproj file "
            "of the same repository"
        )
    return tower
