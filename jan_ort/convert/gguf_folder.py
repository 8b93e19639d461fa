"""Convert a GGUF file into a model folder, without torch."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from tokenizers import Tokenizer

from jan_ort.convert.architectures import decoders
from jan_ort.convert.architectures.decoder import Decoder
from jan_ort.convert.architectures.decoder_config import DecoderConfig, read_decoder_config
from jan_ort.convert.folder_files import describe, write_chat_template, write_configs, write_json
from jan_ort.convert.graph.calibration import CALIBRATION_TEXT, MAX_TOKENS, Calibration
from jan_ort.convert.graph.decoder import DecoderGraph
from jan_ort.convert.graph.onnx_writer import OnnxWriter
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.peak_memory import KEPT_VALUE_BYTES, VALUE_BYTES, check_peak
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.weights.schemes import SCHEMES, Weights
from jan_ort.convert.weights.smoothing import LayerSmoothing, smoothing
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import GENERATE

logger = logging.getLogger(__name__)

_STAGE = "Converting"
_CALIBRATION_BEGINS, _GRAPH_BEGINS, _GRAPH_ENDS = 0.2, 0.5, 0.95  # shares of the time, measured


def convert_gguf(
    source: Path,
    target: Path,
    *,
    weights: Weights = "int8",
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
    sha256: str | None = None,
    memory_limit_mb: int | None = None,
) -> None:
    """Write the model folder of the GGUF file ``source`` into the existing, empty directory ``target``.

    ``weights`` is a scheme of :data:`weights.schemes.SCHEMES`. ``name`` is the display name, by default the file's
    general.name. ``progress`` is called with a stage and a fraction. ``sha256`` is the file's, if it is known.
    ``memory_limit_mb`` replaces what memory is available, 0 for no limit.
    Raises: ConversionError naming the file and the remedy; ``target`` may then hold a part of the folder.
    """
    report = progress or silent
    if not target.is_dir() or any(target.iterdir()):
        raise ConversionError(f"{target} must be an existing, empty directory; make one and try again")
    report(_STAGE, 0.0)
    model = GgufFile(source)
    decoder = _read_architecture(model)
    config = read_decoder_config(model, decoder)
    num_values, is_kept = model.largest_tensor()
    check_peak(source, num_values, KEPT_VALUE_BYTES if is_kept and weights != "fp16" else VALUE_BYTES, memory_limit_mb)
    model.check_types()  # now: some tensors are needed only when much has been written
    tokenizer = _read_tokenizer(model, config)
    built_tokenizer = tokenizer.build()
    layers = _smooth(model, decoder, config, built_tokenizer, weights, report)
    _write_graph(target, model, decoder, config, weights, layers, report)
    built_tokenizer.save(str(target / "tokenizer.json"), pretty=False)
    if not write_chat_template(target, model):
        logger.warning("%s has no chat template: only text completion will work", model.path)
    write_configs(target, tokenizer, config.to_json(decoder))
    description = describe(
        name=name or model.string("general.name", source.stem),
        task=GENERATE,
        context_length=config.max_position_embeddings,
        weights=SCHEMES[weights].written_as,
        source=source,
        sha256=sha256,
    )
    write_json(target / "jan_ort.json", description)
    report(_STAGE, 1.0)


def _read_architecture(model: GgufFile) -> Decoder:
    name, supported = model.string("general.architecture"), decoders()
    if name not in supported:
        model.refuse(f"architecture {name!r} is not supported; supported: {', '.join(supported)}")
    return supported[name]


def _read_tokenizer(model: GgufFile, config: DecoderConfig) -> GgufTokenizer:
    tokenizer = GgufTokenizer(model)
    if (num_tokens := len(tokenizer.vocabulary.tokens)) > config.vocab_size:
        model.refuse(f"{num_tokens} tokens but only {config.vocab_size} embeddings; the file is damaged")
    return tokenizer


def _smooth(
    model: GgufFile,
    decoder: Decoder,
    config: DecoderConfig,
    tokenizer: Tokenizer,
    weights: Weights,
    report: Callable[[str, float], None],
) -> list[LayerSmoothing]:
    """Return each layer's smoothing. With 4 bits it is the attention's only: the codes of a file cannot be scaled."""
    report(_STAGE, _CALIBRATION_BEGINS)
    scheme, num_layers = SCHEMES[weights], config.num_hidden_layers
    if not scheme.smooths:
        return [LayerSmoothing()] * num_layers
    encoded = tokenizer.encode(CALIBRATION_TEXT).ids or [0]
    token_ids = encoded[: min(MAX_TOKENS, config.max_position_embeddings)]
    layers: list[LayerSmoothing] = []
    for activations in Calibration(model, decoder, config, token_ids).layers():
        layers.append(smoothing(activations))
        done = len(layers) / num_layers
        report(_STAGE, _CALIBRATION_BEGINS + done * (_GRAPH_BEGINS - _CALIBRATION_BEGINS))
    if scheme.bits == 8:
        return layers
    # Blocks side by side may share a norm, and what is divided there would be multiplied into the codes of both.
    return [LayerSmoothing(layer.attention if decoder.parallel == "never" else None) for layer in layers]


def _write_graph(
    target: Path,
    model: GgufFile,
    decoder: Decoder,
    config: DecoderConfig,
    weights: Weights,
    layers: list[LayerSmoothing],
    report: Callable[[str, float], None],
) -> None:
    report(_STAGE, _GRAPH_BEGINS)
    with OnnxWriter(target) as writer:
        graph = DecoderGraph(model, decoder, config, writer, weights, layers)
        graph.build(lambda done: report(_STAGE, _GRAPH_BEGINS + done * (_GRAPH_ENDS - _GRAPH_BEGINS)))
    if unused := model.unused_tensors():
        model.refuse(
            f"tensor {unused[0]!r} belongs to no part of a {decoder.name} model that is supported; use another model"
        )
