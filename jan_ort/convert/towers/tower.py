"""What tells one kind of tower from another: how vectors are made of pixels, and what a folder says of the pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.tower_nodes import TowerNodes
from jan_ort.convert.graph.vector_operations import VectorOperations
from jan_ort.convert.inputs.mmproj_file import MMPROJ, MmprojFile, TowerSizes

_HARMLESS = frozenset({"vision.feed_forward_length"})  # of Qwen2-VL's files it is wrong: tensors tell
_NEUTRAL: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "has_audio_encoder": (False,),
        "has_llava_projector": (False,),
        "has_text_encoder": (False,),
        "use_gelu": (False,),
        "use_silu": (False,),
    }
)


class Tower(ABC):
    """``projector`` is the value of clip.projector_type, ``decoder`` the architecture of the model's own file.

    ``model_type`` is what transformers calls the whole. ``places`` are keys of config.json, and the tokens whose ids
    they have. ``operations`` are the decoder's. ``rank``: dimensions of the vectors.
    """

    projector: ClassVar[str]
    decoder: ClassVar[str]
    model_type: ClassVar[str]
    places: ClassVar[Mapping[str, str]]
    operations: ClassVar[type[VectorOperations]] = VectorOperations
    normed_by_root: ClassVar[bool] = False
    rank: ClassVar[int] = 3

    def __init__(self, file: MmprojFile) -> None:
        self.file = file
        self.sizes = TowerSizes.read(file)
        self._read()
        file.refuse_unread_keys(MMPROJ, _HARMLESS, _NEUTRAL)

    def _read(self) -> None:  # noqa: B027  (most kinds have nothing)
        """Read what this kind has beside sizes. Raises: ConversionError."""

    @abstractmethod
    def build(self, nodes: TowerNodes) -> str:
        """Declare the inputs, and add all nodes; return the vectors, whose last dimension is their size."""

    @abstractmethod
    def processor(self) -> dict[str, Any]:
        """Return preprocessor_config.json without the colours' mean and deviation."""

    def config(self, ids: Mapping[str, int]) -> dict[str, Any]:
        """Return what config.json says besides the decoder's sizes. Raises: ConversionError for a token without id."""
        if missing := [token for token in self.places.values() if token not in ids]:
            self.file.refuse(f"the model beside it has no token {' or '.join(missing)}, which stands for an image")
        sizes = {"image_size": self.sizes.image_size, "patch_size": self.sizes.patch_size}
        places = {key: ids[token] for key, token in self.places.items()}
        return {"model_type": self.model_type, "vision_config": sizes, **places}

    def write(self, writer: OnnxWriter) -> None:
        """Write the graph. Raises: ConversionError if a tensor is left over that nobody has used."""
        nodes = TowerNodes(writer, self.file, self.sizes, by_root=self.normed_by_root)
        writer.node("Identity", [self.build(nodes)], ["image_features"])
        shape: list[int | str] = ["images", "vectors", self.sizes.vector_size]
        writer.output("image_features", nodes.dtype, shape[-self.rank :])
        writer.save(self.model_type, {})
        if unused := self.file.unused_tensors():
            self.file.refuse(f"tensor {unused[0]!r} belongs to no part of a {self.projector} that is supported")
