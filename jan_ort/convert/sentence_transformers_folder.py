"""Convert a sentence-transformers folder with a BERT model into a model folder with one ONNX graph."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from jan_ort.convert.architectures.bert import BertConfig, read_bert_config, read_json
from jan_ort.convert.description import describe, write_json
from jan_ort.convert.graph.encoder import BertGraph
from jan_ort.convert.inputs.safetensors_file import SafetensorsFile
from jan_ort.ground.errors import ConversionError

_STAGE = "Converting"


def convert_sentence_transformers(
    source: Path,
    target: Path,
    *,
    name: str | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> None:
    """Write the model folder of the BERT embedder in ``source`` into the existing, empty directory ``target``.

    Weights stay float32: 8-bit weights cost more accuracy than the embeddings are promised to have. Pooling and
    normalisation are in the graph, as ``1_Pooling/config.json`` and ``modules.json`` say. ``name`` is the display
    name, the folder's own by default; ``progress`` is called with a stage and a fraction.
    Raises: ConversionError naming the file and the remedy.
    """
    report = progress or (lambda stage, fraction: None)
    name = name or source.resolve().name
    report(_STAGE, 0.0)
    config = read_bert_config(source)
    tokenizer = _read_tokenizer(source)
    weights = source / "model.safetensors"
    if not weights.exists():
        raise ConversionError(f"{weights} is missing; only safetensors weights are supported")
    with SafetensorsFile(weights) as tensors:
        model = BertGraph(config, _reader(tensors)).build()
    report(_STAGE, 0.4)
    _save_model(model, target / "model.onnx")
    report(_STAGE, 0.7)
    write_json(target / "tokenizer.json", tokenizer)
    write_json(target / "tokenizer_config.json", _tokenizer_config(source, config))
    write_json(target / "config.json", read_json(source / "config.json"))
    description = describe(
        name=name, task="embed", context_length=config.context_length, weights="float32", source=weights
    )
    write_json(target / "jan_ort.json", description)
    report(_STAGE, 1.0)


def _reader(tensors: SafetensorsFile) -> Callable[[str, tuple[int, ...]], NDArray[np.float32]]:
    """Return the function that reads a tensor by its name in BertModel; a checkpoint with a head prefixes them."""
    prefix = "bert." if "bert.embeddings.word_embeddings.weight" in tensors else ""
    return lambda name, shape: tensors.read(prefix + name, shape)


def _read_tokenizer(source: Path) -> dict[str, Any]:
    """Return tokenizer.json without the truncation and padding that were saved into it.

    all-MiniLM-L6-v2 has both at 128 tokens there, while sentence_bert_config.json allows 256.
    """
    tokenizer: dict[str, Any] = read_json(source / "tokenizer.json")
    normalizer = tokenizer.get("normalizer") or {}
    steps = normalizer.get("normalizers", [normalizer])
    lowers = any(step.get("type") == "Lowercase" or step.get("lowercase") for step in steps)
    path = source / "sentence_bert_config.json"
    if path.exists() and read_json(path).get("do_lower_case") and not lowers:
        raise ConversionError(f"{path}: do_lower_case is not supported where tokenizer.json does not lower the case")
    return tokenizer | {"truncation": None, "padding": None}


def _tokenizer_config(source: Path, config: BertConfig) -> dict[str, Any]:
    path = source / "tokenizer_config.json"
    tokenizer_config: dict[str, Any] = read_json(path) if path.exists() else {}
    return tokenizer_config | {"model_max_length": config.context_length}


def _save_model(model: onnx.ModelProto, path: Path) -> None:
    weights = path.with_name(path.name + ".data")
    onnx.save_model(model, path, save_as_external_data=True, all_tensors_to_one_file=True, location=weights.name)
    weights.chmod(path.stat().st_mode)  # onnx makes it readable for its owner alone
