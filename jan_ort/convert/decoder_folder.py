"""Write the model folder of a decoder, whatever its checkpoint is: calibration, and the graph with its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.graph.blas_threads import one_blas_thread
from jan_ort.convert.graph.calibration import CALIBRATION_TEXT, MAX_TOKENS, Calibration
from jan_ort.convert.graph.decoder import DecoderGraph
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.inputs.checkpoint import Checkpoint
from jan_ort.convert.peak_memory import SCALES_VALUE_BYTES, check_peak, check_served
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.convert.weights.smoothing import LayerSmoothing, smoothing

Report = Callable[[str, float], None]

STAGE = "Converting"
_CALIBRATION_BEGINS, _GRAPH_BEGINS, _GRAPH_ENDS = 0.2, 0.5, 0.95  # shares of the time, measured


def check_model(model: Checkpoint, decoder: Decoder, weights: Weights, memory_limit_mb: int | None) -> DecoderConfig:
    """Return the hyperparameters. Raises: ConversionError if they, a type or the memory forbid a conversion."""
    config = read_decoder_config(model, decoder)
    if not config.causal:
        model.refuse(
            f"{model.spelled(decoder.key('attention.causal'))} is false: such a model reads texts, and generating with "
            "it is not supported; name it with --embedding-model"
        )
    check_peak(model.path, model.largest_tensor(), SCALES_VALUE_BYTES, memory_limit_mb)
    check_served(model.path, int(model.num_values() * SCHEMES[weights].value_bytes), memory_limit_mb)
    model.check_types()  # now: some tensors are needed only when much has been written
    return config


def smooth_layers(
    model: Checkpoint,
    decoder: Decoder,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    weights: Weights,
    report: Report,
) -> list[LayerSmoothing]:
    """Return each layer's smoothing. With 4 bits it is the attention's only: the codes of a file cannot be scaled."""
    report(STAGE, _CALIBRATION_BEGINS)
    scheme, num_layers = SCHEMES[weights], config.num_hidden_layers
    if not scheme.smooths:
        return [LayerSmoothing()] * num_layers
    encoded = tokenizer.encode(CALIBRATION_TEXT).ids or [0]
    token_ids = encoded[: min(MAX_TOKENS, config.max_position_embeddings)]
    layers: list[LayerSmoothing] = []
    with one_blas_thread():
        for activations in Calibration(model, decoder, config, token_ids).layers():
            layers.append(smoothing(activations))
            done = len(layers) / num_layers
            report(STAGE, _CALIBRATION_BEGINS + done * (_GRAPH_BEGINS - _CALIBRATION_BEGINS))
    if scheme.bits == 8:
        return layers
    # Blocks side by side may share a norm, and what is divided there would be multiplied into the codes of both.
    return [LayerSmoothing(layer.attention if decoder.parallel == "never" else None) for layer in layers]


def write_graph(
    target: Path,
    model: Checkpoint,
    decoder: Decoder,
    config: DecoderConfig,
    weights: Weights,
    layers: list[LayerSmoothing],
    report: Report,
) -> None:
    """Write the graph. Raises: ConversionError if a tensor is left over that nobody has used."""
    with OnnxWriter(target) as writer:
        write_decoder(DecoderGraph(model, decoder, config, writer, weights, layers), model, decoder, report)


def write_decoder(graph: DecoderGraph, model: Checkpoint, decoder: Decoder, report: Report) -> None:
    """Build a graph. Raises: ConversionError if a tensor is left over that nobody has used."""
    report(STAGE, _GRAPH_BEGINS)
    graph.build(lambda done: report(STAGE, _GRAPH_BEGINS + done * (_GRAPH_ENDS - _GRAPH_BEGINS)))
    if unused := model.unused_tensors():
        model.refuse(
            f"tensor {unused[0]!r} belongs to no part of a {decoder.name} model that is supported; use another model"
        )
