"""The part of a model folder that reads images: the tower's graph, and what the folder says of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig
from jan_ort.convert.decoder_folder import Report, write_decoder
from jan_ort.convert.folder_files import write_json
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.vector_decoder import (
    SeparateVectorDecoderGraph,
    VectorDecoderGraph,
    without_embedding,
    write_embedding,
)
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.mmproj_file import open_mmproj
from jan_ort.convert.towers import read_tower
from jan_ort.convert.towers.tower import Tower
from jan_ort.convert.weights.schemes import Weights
from jan_ort.convert.weights.smoothing import LayerSmoothing


def open_tower(mmproj: Path, decoder: Decoder, config: DecoderConfig) -> Tower:
    """Read an mmproj file that belongs to a decoder. Raises: ConversionError."""
    return read_tower(open_mmproj(mmproj), decoder.name, config.hidden_size)


def write_image_graphs(
    tower: Tower,
    target: Path,
    model: Checkpoint,
    decoder: Decoder,
    config: DecoderConfig,
    weights: Weights,
    layers: list[LayerSmoothing],
    report: Report,
) -> None:
    """Write the three graphs, and how an image becomes what the tower reads.

    Raises: ConversionError if a tensor is left over that nobody has used.
    """
    with OnnxWriter(target, "vision_encoder") as writer:
        tower.write(writer)
    write_embedding(target, model, decoder, config, weights)
    with OnnxWriter(target, "decoder_model_merged") as writer:
        vectors = without_embedding(config)
        kind = SeparateVectorDecoderGraph if tower.operations.separates else VectorDecoderGraph
        graph = kind(model, decoder, vectors, writer, weights, layers, tower.operations)
        write_decoder(graph, model, decoder, report)
    _write_processor(target, tower)


def _write_processor(target: Path, tower: Tower) -> None:
    colours = {"image_mean": tower.sizes.mean, "image_std": tower.sizes.std, "rescale_factor": 1 / 255}
    write_json(target / "preprocessor_config.json", {**tower.processor(), **colours})


def image_config(tower: Tower | None, ids: Mapping[str, int]) -> dict[str, Any]:
    """Return what config.json says of images, nothing without a tower."""
    return {} if tower is None else tower.config(ids)
