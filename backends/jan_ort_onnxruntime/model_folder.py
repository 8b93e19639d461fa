"""The model folder as this backend sees it: the graph's file and what the small configuration files say about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.layouts import find_graph

DESCRIPTION_FILE = "jan_ort.json"
FORMAT = 1
TASKS = ("generate", "embed")

_CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with a graph; what none of its files says is None, a configuration that it does not have is empty.

    ``config`` is config.json, that of its text part where it has several; ``decoder`` the part of genai_config.json
    with the names of the graph's inputs and outputs.
    """

    path: Path
    layout: str
    model_path: Path
    task: str | None
    context_length: int | None
    vocab_size: int | None
    config: Mapping[str, Any]
    decoder: Mapping[str, Any]
    description: Mapping[str, Any]

    @property
    def weights_hash(self) -> str:
        """A hex digest that identifies the weights; reads the graph unless jan_ort.json names its source."""
        return _weights_hash(self.model_path, self.description)

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read the small files. Raises: ModelError if there is no graph or a file is not understood."""
        genai = _read_object(path / "genai_config.json")
        location = find_graph(path, genai)
        description = _read_description(path / DESCRIPTION_FILE)
        config = _read_object(path / "config.json")
        config = config | _object(config.get("text_config"))
        model = _object(genai.get("model"))
        task, context_length = description.get("task"), description.get("context_length")
        if task not in (None, *TASKS):
            raise ModelError(f"{path / DESCRIPTION_FILE}: task is {task!r}; this backend knows {', '.join(TASKS)}")
        if context_length is not None and (type(context_length) is not int or context_length < 1):
            raise ModelError(f"{path / DESCRIPTION_FILE}: context_length is {context_length!r}, not a positive integer")
        return cls(
            path=path,
            layout=location.layout,
            model_path=location.path,
            task=task,
            context_length=context_length or _first_length(path, model, config),
            vocab_size=next(_positive(config.get("vocab_size"), model.get("vocab_size")), None),
            config=config,
            decoder=_object(model.get("decoder")),
            description=description,
        )


def _first_length(path: Path, genai: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    """Return the first context length that is stated, the most specific file first."""
    stated = (
        _read_object(path / "sentence_bert_config.json").get("max_seq_length"),
        genai.get("context_length"),
        *(config.get(key) for key in _CONTEXT_KEYS),
        _read_object(path / "tokenizer_config.json").get("model_max_length"),
    )
    return next(_positive(*stated), None)


def _positive(*values: object) -> Iterator[int]:
    """Yield those that are counts; tokenizers that know no limit say 1e30."""
    yield from (value for value in values if type(value) is int and 0 < value < 2**31)


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_description(path: Path) -> dict[str, Any]:
    description = _read_object(path)
    if path.is_file() and description.get("format") != FORMAT:
        raise ModelError(f"{path} is not of format {FORMAT}; convert the model again with this version")
    return description


def _read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``, empty if there is no such file."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}); convert the model again") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path} holds no JSON object; convert the model again")
    return content


def _weights_hash(model_path: Path, description: Mapping[str, Any]) -> str:
    """Identify the weights without reading them: by their source and scheme, or else by the graph and its sizes."""
    source = description.get("source")
    if isinstance(source, dict) and isinstance(source.get("sha256"), str):
        return hashlib.sha256(f"{source['sha256']}/{description.get('weights')}".encode()).hexdigest()
    with model_path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    for path in sorted(model_path.parent.glob(f"{model_path.name}*data*")):
        digest.update(f"{path.name}/{path.stat().st_size}".encode())
    return digest.hexdigest()
