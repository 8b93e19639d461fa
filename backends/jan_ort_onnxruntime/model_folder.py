"""The model folder as this backend sees it: the graph's file and what the small configuration files say about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError
from jan_ort_backends.context_length import stated_context_length
from jan_ort_backends.file_samples import file_samples
from jan_ort_onnxruntime.layouts import find_graph
from jan_ort_onnxruntime.onnx_file import OnnxFile

DESCRIPTION_FILE = "jan_ort.json"
FORMAT = 1
TASKS = ("generate", "embed")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A folder with a graph; what none of its files says is None, a configuration that it does not have is empty.

    ``config`` is config.json, that of its text part where it has several; ``decoder`` the part of genai_config.json
    with the names of the graph's inputs and outputs. ``context_length`` is that of a decoder, ``text_length`` that of
    an encoder.
    """

    path: Path
    layout: str
    model_path: Path
    task: str | None
    context_length: int | None
    text_length: int | None
    vocab_size: int | None
    config: Mapping[str, Any]
    decoder: Mapping[str, Any]
    description: Mapping[str, Any]

    @property
    def weights_hash(self) -> str:
        """A hex digest that identifies the weights; reads parts of them unless jan_ort.json names their source."""
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
            context_length=context_length or _stated_length(path, model, config, embeds=False),
            text_length=context_length or _stated_length(path, model, config, embeds=True),
            vocab_size=_count(config.get("vocab_size")) or _count(model.get("vocab_size")),
            config=config,
            decoder=_object(model.get("decoder")),
            description=description,
        )

    def bare_length(self, usual: int) -> int:
        """Return ``usual`` for a folder of no more than a graph; the files of others must say. Raises: ModelError."""
        if self.layout == "bare":
            return usual
        raise ModelError(f"{self.path} does not say its context length; add max_position_embeddings to config.json")

    def num_tokens(self) -> int | None:
        """Return the number of ids that tokenizer.json gives tokens to, None if it gives none. Raises: ModelError."""
        tokenizer = _read_object(self.path / "tokenizer.json")
        vocabulary = _object(tokenizer.get("model")).get("vocab") or {}
        ids = vocabulary.values() if isinstance(vocabulary, dict) else range(len(vocabulary))
        added = [entry.get("id") for entry in tokenizer.get("added_tokens") or () if isinstance(entry, dict)]
        return max((token_id for token_id in (*ids, *added) if type(token_id) is int), default=-1) + 1 or None


def _stated_length(path: Path, genai: Mapping[str, Any], config: Mapping[str, Any], *, embeds: bool) -> int | None:
    return stated_context_length(
        config=config,
        genai_model=genai,
        sentence_bert=_read_object(path / "sentence_bert_config.json"),
        tokenizer_config=_read_object(path / "tokenizer_config.json"),
        embeds=embeds,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**31 else None


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
    """Identify the weights: by their source and scheme, or else by the graph's file and those of its tensors."""
    source = description.get("source")
    if isinstance(source, dict) and isinstance(source.get("sha256"), str):
        return hashlib.sha256(f"{source['sha256']}/{description.get('weights')}".encode()).hexdigest()
    digest = hashlib.sha256()
    for path in (model_path, *(model_path.parent / name for name in sorted(OnnxFile.read(model_path).external_files))):
        digest.update(f"{path.name}/".encode())
        for sample in file_samples(path):
            digest.update(sample)
    return digest.hexdigest()
