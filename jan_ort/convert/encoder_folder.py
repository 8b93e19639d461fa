"""Write the graph of a model that embeds or scores pairs, whatever its checkpoint is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import read_decoder_config
from jan_ort.convert.architectures.encoder import Encoder, EncoderConfig
from jan_ort.convert.graph.encoder import EncoderGraph
from jan_ort.convert.graph.encoder_matrices import ENCODER_MATRICES
from jan_ort.convert.graph.encoder_nodes import WeightNodes
from jan_ort.convert.graph.forward import Forward
from jan_ort.convert.graph.graph_nodes import GraphNodes
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.graph.pooling import normalize, pool, score
from jan_ort.convert.graph.reading_operations import ReadingOperations
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.inputs.encoder_weights import EncoderWeights
from jan_ort.convert.inputs.sentence_transformers import SentenceTransformer
from jan_ort.convert.inputs.yes_or_no import YesOrNo
from jan_ort.convert.peak_memory import VALUE_BYTES, check_peak
from jan_ort.convert.weights.schemes import EncoderScheme
from jan_ort.convert.weights.smoothing import LayerSmoothing

STAGE = "Converting"
EMBEDDING_GRAPH, SCORING_GRAPH = "sentence-embedding/1", "pair-scores/1"

Report = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """An encoder with its weights. ``around`` says what makes a vector; None: its head scores pairs.

    ``separator`` is the token behind which the second text of a pair has another type, None where types are one.
    """

    encoder: Encoder
    config: EncoderConfig
    weights: EncoderWeights
    around: SentenceTransformer | None
    separator: int | None = None


def write_encoder(
    target: Path, model: EncoderModel, length: int, weights: EncoderScheme, limit_mb: int | None, report: Report
) -> None:
    """Write the graph of a model that takes ``length`` tokens. Raises: ConversionError if a tensor is left over."""
    check_peak(model.weights.path, model.weights.num_values(), VALUE_BYTES, limit_mb)
    with OnnxWriter(target) as writer:
        nodes = WeightNodes(writer, ENCODER_MATRICES[weights](), model.config, model.weights)
        graph = EncoderGraph(model.encoder, model.config, model.weights, nodes, model.separator)
        hidden = graph.last_hidden_state()
        report(STAGE, 0.8)
        if model.around is None:
            result = score(nodes, hidden, model.encoder, model.config, model.weights)
            _finish(writer, result, "logits", model.config.num_labels, SCORING_GRAPH, length)
        else:
            _finish_embedding(writer, nodes, hidden, model.around, model.config.hidden_size, length)
    model.weights.check_all_used()


def write_reading_decoder(
    target: Path,
    model: Checkpoint,
    decoder: Decoder,
    around: SentenceTransformer | YesOrNo,
    asked: int | None,
    weights: EncoderScheme,
    limit_mb: int | None,
    report: Report,
) -> int:
    """Write the graph of a decoder that embeds, its layers and no head, or that ranks by answering yes or no.

    Returns how many tokens it takes. ``asked`` are those that it is to take, if it has as many positions.
    Raises: ConversionError.
    """
    config = read_decoder_config(model, decoder)
    check_peak(model.path, model.largest_tensor(), VALUE_BYTES, limit_mb)
    model.check_types()
    length = min(asked or config.max_position_embeddings, config.max_position_embeddings)
    with OnnxWriter(target) as writer:
        nodes = GraphNodes(writer)
        operations = ReadingOperations(model, config, writer, decoder.norm, nodes, weights)
        forward = Forward(model, decoder, config, operations, [LayerSmoothing()] * config.num_hidden_layers)
        for layer in range(config.num_hidden_layers):
            forward.layer(layer)
            report(STAGE, 0.8 * (layer + 1) / config.num_hidden_layers)
        hidden = forward.output()
        if isinstance(around, YesOrNo):
            odds = nodes.product("yes_or_no", pool(nodes, hidden, "last"), around.direction(model, config), None)
            _finish(writer, odds, "logits", 1, SCORING_GRAPH, length)
        else:
            _finish_embedding(writer, nodes, hidden, around, config.hidden_size, length)
    for kind in ("weight", "bias"):
        model.pass_over(f"{decoder.tensors.head}.{kind}")
    if unused := model.unused_tensors():
        model.refuse(f"tensor {unused[0]!r} belongs to no part of a {decoder.name} model that is supported")
    return length


def _finish_embedding(
    writer: OnnxWriter, nodes: GraphNodes, hidden: str, around: SentenceTransformer, size: int, length: int
) -> None:
    pooled = pool(nodes, hidden, around.pooling)
    for number, dense in enumerate(around.dense):
        matrix, bias = dense.loaded(size)
        pooled, size = nodes.product(f"dense_{number}", pooled, matrix, bias), len(matrix)
        pooled = nodes.activate(pooled, dense.activation) if dense.activation else pooled
    vector = normalize(nodes, pooled) if around.normalize else pooled
    _finish(writer, vector, "sentence_embedding", size, EMBEDDING_GRAPH, length)


def _finish(writer: OnnxWriter, result: str, output: str, width: int, graph_name: str, length: int) -> None:
    writer.node("Identity", [result], [output])
    for name in ("input_ids", "attention_mask"):
        writer.input(name, np.int64, ["batch", "sequence"])
    writer.output(output, np.float32, ["batch", width])
    writer.save("encoder", {"jan_ort.graph": graph_name, "jan_ort.context_length": str(length)})
