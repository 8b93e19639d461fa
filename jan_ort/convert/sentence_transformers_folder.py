"""Convert a sentence-transformers folder into a model folder with one ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from jan_ort.convert.architectures import encoders
from jan_ort.convert.architectures.encoder import Encoder, read_encoder_config
from jan_ort.convert.folder_files import describe, write_json
from jan_ort.convert.graph.encoder import EncoderGraph
from jan_ort.convert.inputs.safetensors_file import SafetensorsFile
from jan_ort.convert.inputs.sentence_transformers import read_json, read_sentence_transformer
from jan_ort.convert.peak_memory import VALUE_BYTES, check_peak
from jan_ort.ground.json_object import object_in
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED
from jan_ort_backends.small_files import MAX_TOKENIZER_BYTES

_STAGE = "Converting"


def convert_sentence_transformers(
    source: Path,
    target: Path,
    *,
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
    memory_limit_mb: int | None = None,
) -> None:
    """Write the model folder of the embedder in ``source`` into the existing, empty directory ``target``.

    Weights stay float32: 8-bit weights cost more accuracy than the embeddings are promised to have. Pooling and
    normalisation are in the graph, as ``1_Pooling/config.json`` and ``modules.json`` say. ``name`` is the display
    name, the folder's own by default; ``progress`` is called with a stage and a fraction. ``memory_limit_mb`` replaces
    what memory is available, 0 for no limit.
    Raises: ConversionError naming the file and the remedy.
    """
    report = progress or silent
    name = name or source.resolve().name
    report(_STAGE, 0.0)
    encoder = _read_encoder(source)
    config = read_encoder_config(str(source / "config.json"), read_json(source / "config.json"), encoder)
    around = read_sentence_transformer(source)
    context_length = min(around.max_length or config.max_position_embeddings, config.max_position_embeddings)
    tokenizer = _read_tokenizer(source)
    weights = source / "model.safetensors"
    if not weights.exists():
        raise ConversionError(f"{weights} is missing; only safetensors weights are supported")
    with SafetensorsFile(weights) as tensors:
        check_peak(weights, tensors.num_values(), VALUE_BYTES, memory_limit_mb)
        graph = EncoderGraph(encoder, config, around, _reader(tensors, encoder))
        model = graph.build(context_length)
    report(_STAGE, 0.4)
    _save_model(model, target / "model.onnx")
    report(_STAGE, 0.7)
    write_json(target / "tokenizer.json", tokenizer)
    write_json(target / "tokenizer_config.json", _tokenizer_config(source, context_length))
    write_json(target / "config.json", read_json(source / "config.json"))
    description = describe(name=name, task=EMBED, context_length=context_length, weights="float32", source=weights)
    write_json(target / "jan_ort.json", description)
    report(_STAGE, 1.0)


def _read_encoder(source: Path) -> Encoder:
    model_type, supported = read_json(source / "config.json").get("model_type"), encoders()
    if not isinstance(model_type, str) or model_type not in supported:
        raise ConversionError(
            f"{source}: architecture {str(model_type)[:80]!r} is not supported; supported: {', '.join(supported)}"
        )
    return supported[model_type]


def _reader(tensors: SafetensorsFile, encoder: Encoder) -> Callable[[str, tuple[int, ...]], NDArray[np.float32]]:
    """Return the function that reads a tensor by its name; a checkpoint with a head prefixes them."""
    prefix = encoder.prefix if f"{encoder.prefix}{encoder.tensors.words}.weight" in tensors else ""
    return lambda name, shape: tensors.read(prefix + name, shape)


def _read_tokenizer(source: Path) -> dict[str, Any]:
    """Return tokenizer.json without the truncation and padding that were saved into it.

    all-MiniLM-L6-v2 has both at 128 tokens there, while sentence_bert_config.json allows 256.
    """
    tokenizer: dict[str, Any] = read_json(source / "tokenizer.json", MAX_TOKENIZER_BYTES)
    normalizer = object_in(tokenizer, "normalizer")
    listed = normalizer.get("normalizers")
    steps = [step for step in (listed if isinstance(listed, list) else [normalizer]) if isinstance(step, dict)]
    lowers = any(step.get("type") == "Lowercase" or step.get("lowercase") for step in steps)
    path = source / "sentence_bert_config.json"
    if path.exists() and read_json(path).get("do_lower_case") and not lowers:
        raise ConversionError(f"{path}: do_lower_case is not supported where tokenizer.json does not lower the case")
    return tokenizer | {"truncation": None, "padding": None}


def _tokenizer_config(source: Path, context_length: int) -> dict[str, Any]:
    path = source / "tokenizer_config.json"
    tokenizer_config: dict[str, Any] = read_json(path) if path.exists() else {}
    return tokenizer_config | {"model_max_length": context_length}


def _save_model(model: onnx.ModelProto, path: Path) -> None:
    weights = path.with_name(path.name + ".data")
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=weights.name)
    weights.chmod(path.stat().st_mode)  # onnx makes it readable for its owner alone
