"""The model folder as this backend sees it: the graph's file and what jan_ort.json says about it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError

MODEL_FILE = "model.onnx"
DESCRIPTION_FILE = "jan_ort.json"
FORMAT = 1
TASKS = ("generate", "embed")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with a model.onnx; what neither jan_ort.json nor config.json says is None."""

    path: Path
    task: str | None
    context_length: int | None
    vocab_size: int | None
    weights_hash: str

    @property
    def model_path(self) -> Path:
        """The path of the graph."""
        return self.path / MODEL_FILE

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read the small files. Raises: ModelError if there is no model.onnx or jan_ort.json is not understood."""
        if not (path / MODEL_FILE).is_file():
            raise ModelError(f"{path / MODEL_FILE} does not exist; give a folder that holds a converted model")
        description = _read_description(path / DESCRIPTION_FILE)
        task, context_length = description.get("task"), description.get("context_length")
        if task not in (None, *TASKS):
            raise ModelError(f"{path / DESCRIPTION_FILE}: task is {task!r}; this backend knows {', '.join(TASKS)}")
        if context_length is not None and (type(context_length) is not int or context_length < 1):
            raise ModelError(f"{path / DESCRIPTION_FILE}: context_length is {context_length!r}, not a positive integer")
        vocab_size = _read_object(path / "config.json").get("vocab_size")
        return cls(
            path,
            task,
            context_length,
            vocab_size if type(vocab_size) is int else None,
            _weights_hash(path / MODEL_FILE, description),
        )


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


def _weights_hash(model_path: Path, description: dict[str, Any]) -> str:
    """Identify the weights without reading them: by their source and scheme, or else by the graph and its sizes."""
    source = description.get("source")
    if isinstance(source, dict) and isinstance(source.get("sha256"), str):
        return hashlib.sha256(f"{source['sha256']}/{description.get('weights')}".encode()).hexdigest()
    digest = hashlib.sha256(model_path.read_bytes())
    for path in sorted(model_path.parent.glob(f"{MODEL_FILE}*data")):
        digest.update(f"{path.name}/{path.stat().st_size}".encode())
    return digest.hexdigest()
