"""The graphs and files of a model that reads images, found and understood before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from jan_ort_backends import ImageInput, ModelError
from jan_ort_backends.graph_names import has_image_parts
from jan_ort_onnxruntime.graphs.decoder_graph import DecoderGraph
from jan_ort_onnxruntime.graphs.embedding_graph import EmbeddingGraph
from jan_ort_onnxruntime.graphs.folder_layouts import find_image_graphs, graph_names
from jan_ort_onnxruntime.graphs.generation_graph import GenerationGraph
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.graphs.onnx_folder import OnnxFolder, read_json
from jan_ort_onnxruntime.graphs.recognition import Graph
from jan_ort_onnxruntime.images.clip import ClipProcessor
from jan_ort_onnxruntime.images.gemma3 import read_gemma3
from jan_ort_onnxruntime.images.genai_package import refuse_package
from jan_ort_onnxruntime.images.idefics3 import Idefics3Processor
from jan_ort_onnxruntime.images.llava_onevision import read_onevision
from jan_ort_onnxruntime.images.processor import ImageProcessor, ProcessorConfig, vision_size
from jan_ort_onnxruntime.images.qwen_vl import read_qwen_vl


@dataclass(frozen=True, slots=True)
class ImageParts:
    """What such a model has beside its decoder; ``weights_hash`` is of all three graphs.

    ``vector_id`` is the token in whose place a vector stands, in what the processor writes for an image.
    """

    vision: OnnxFile
    embed: OnnxFile
    config: ProcessorConfig
    processor: ImageProcessor
    input: ImageInput
    vector_id: int
    weights_hash: str


def read_image_parts(folder: OnnxFolder, graph: Graph) -> ImageParts | None:
    """Return what the graph of ``folder`` needs beside it to read images, None for a model of text.

    Raises: ModelError naming what is missing or not known.
    """
    refuse_package(folder.path)
    if not isinstance(graph, EmbeddingGraph) and graph.takes_vectors:
        return _read(folder, graph)
    if has_image_parts(graph_names(folder.path)):
        raise ModelError(f"{folder.model_path} has graphs for images beside it, and no input inputs_embeds")
    return None


def _read(folder: OnnxFolder, graph: DecoderGraph | GenerationGraph) -> ImageParts:
    names = find_image_graphs(folder.path)
    vision, embed = (OnnxFile.read(folder.path / names[part]) for part in ("vision_encoder", "embed_tokens"))
    for file in (vision, embed):
        if missing := file.missing_files():
            raise ModelError(f"{file.path} lacks its weights: {'; '.join(missing)}: download them again")
    model, config = read_json(folder.path / "config.json", {}), ProcessorConfig.read(folder.path)
    processor = _processor(folder, model, config)
    _check_inputs(vision, embed, processor.inputs)
    positions = graph.inputs.get("position_ids") if isinstance(graph, DecoderGraph) else None
    if processor.has_axes and (positions is None or len(positions.shape) != 3):
        raise ModelError(f"{folder.model_path} takes no position_ids of three axes, which images of this model need")
    hashes = [replace(folder, file=file).weights_hash for file in (folder.file, vision, embed)]
    return ImageParts(
        vision=vision,
        embed=embed,
        config=config,
        processor=processor,
        input=ImageInput(
            _token_id(folder, model, processor.place_keys),
            _vector_size(folder, embed),
            processor.has_detail,
            processor.around,
        ),
        vector_id=_token_id(folder, model, ImageProcessor.place_keys),
        weights_hash=sha256("/".join(hashes).encode()).hexdigest(),
    )


def _check_inputs(vision: OnnxFile, embed: OnnxFile, known: Collection[str]) -> None:
    unknown = [name for name in vision.inputs if name not in known]
    if unknown or "pixel_values" not in vision.inputs or len(vision.outputs) < 1:
        raise ModelError(f"{vision.path}: its inputs are {', '.join(vision.inputs)}; known are {', '.join(known)}")
    if list(embed.inputs) != ["input_ids"]:
        raise ModelError(f"{embed.path}: its inputs are {', '.join(embed.inputs)}; expected is input_ids alone")


def _token_id(folder: OnnxFolder, model: Mapping[str, Any], keys: Sequence[str]) -> int:
    found = next((model[key] for key in keys if model.get(key) is not None), None)
    if type(found) is not int or found < 0:
        raise ModelError(f"{folder.path / 'config.json'} says no {keys[0]}; download the whole repository again")
    return found


def _vector_size(folder: OnnxFolder, embed: OnnxFile) -> int:
    *_, width = next(iter(embed.outputs.values())).shape or (0,)
    found = width if isinstance(width, int) and width > 0 else folder.stated_size("hidden_size")
    if found is None:
        raise ModelError(f"{embed.path} does not say how long its vectors are; add hidden_size to config.json")
    return found


def _processor(folder: OnnxFolder, model: Mapping[str, Any], config: ProcessorConfig) -> ImageProcessor:
    kind = model.get("model_type")
    make = PROCESSORS.get(str(kind))
    if (reason := UNREAD.get(str(kind))) is not None:
        raise ModelError(f"{folder.path}: images of a {kind!r} are not read: {reason}")
    if make is None:
        raise ModelError(f"{folder.path}: images of a {kind!r:.40} are not read; those of {', '.join(PROCESSORS)} are")
    return make(model, config)


def _idefics3(model: Mapping[str, Any], config: ProcessorConfig) -> ImageProcessor:
    side, patch = vision_size(model, config, "image_size"), vision_size(model, config, "patch_size")
    factor = model.get("scale_factor", 2)
    stated = config.whole.get("image_seq_len")
    return Idefics3Processor(config, stated if type(stated) is int else (side // patch // factor) ** 2)


def _llava(model: Mapping[str, Any], config: ProcessorConfig) -> ImageProcessor:
    processor = ClipProcessor.read(config)
    stated = config.whole.get("patch_size")
    patch = stated if type(stated) is int and stated > 0 else vision_size(model, config, "patch_size")
    whole = {"vision_feature_select_strategy": model.get("vision_feature_select_strategy", "default"), **config.whole}
    extra = whole.get("num_additional_image_tokens") or 0
    num_tokens = (processor.side // patch) ** 2 + extra - (whole["vision_feature_select_strategy"] == "default")
    return replace(processor, text="<image>" * num_tokens)


PROCESSORS: Mapping[str, Callable[[Mapping[str, Any], ProcessorConfig], ImageProcessor]] = {
    "idefics3": _idefics3,
    "smolvlm": _idefics3,
    "llava": _llava,
    "llava_onevision": read_onevision,
    "qwen2_vl": read_qwen_vl,
    "qwen2_5_vl": read_qwen_vl,
    "gemma3": read_gemma3,
}
"""How images are read, by config.json's model_type."""

UNREAD: Mapping[str, str] = {
    "paligemma": "it looks at a whole prompt both ways, so no part of one can be kept or computed first; use a gemma3",
}
"""Kinds whose graphs are published in the same layout, and cannot be run a part of a prompt at a time."""
