"""The model folder as this backend sees it: the graph's file and what the small configuration files say about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from jan_ort_backends import ModelError
from jan_ort_backends.context_length import sentence_config, stated_context_length
from jan_ort_backends.file_samples import file_samples
from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, MAX_TOKENIZER_BYTES, read_small_file
from jan_ort_onnxruntime.graphs.folder_layouts import find_graph
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile

DESCRIPTION_FILE = "jan_ort.json"
FORMAT = 1
TASKS = ("generate", "embed", "rerank")

Content = TypeVar("Content", dict[str, Any], list[Any])


@dataclass(frozen=True, slots=True)
class OnnxFolder:
    """A folder with a graph; what none of its files says is None, a configuration that it does not have is empty.

    ``file`` is what the graph says about itself. ``config`` is config.json, that of its text part where it has several;
    ``decoder`` the part of genai_config.json with the names of the graph's inputs and outputs. ``context_length`` is
    that of a decoder, ``text_length`` that of an encoder.
    """

    path: Path
    layout: str
    file: OnnxFile
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
        return _weights_hash(self.file, self.description)

    @property
    def model_path(self) -> Path:
        """The graph's file."""
        return self.file.path

    @classmethod
    def read(cls, path: Path) -> OnnxFolder:
        """Read the small files and the graph's own words. Raises: ModelError if one is not there or not understood."""
        model = _object(read_json(path / "genai_config.json", {}).get("model"))
        decoder = _object(model.get("decoder"))
        location = find_graph(path, decoder)
        description = _read_description(path / DESCRIPTION_FILE)
        config = read_json(path / "config.json", {})
        config = config | _object(config.get("text_config"))
        task, context_length = description.get("task"), description.get("context_length")
        if task not in (None, *TASKS):
            raise ModelError(f"{path / DESCRIPTION_FILE}: task is {task!r}; this backend knows {', '.join(TASKS)}")
        if context_length is not None and _count(context_length) is None:
            shown = repr(context_length)[:80]
            raise ModelError(f"{path / DESCRIPTION_FILE}: context_length is {shown}, not a positive integer below 2^31")
        return cls(
            path=path,
            layout=location.layout,
            file=OnnxFile.read(location.path),
            task=task,
            context_length=context_length or _stated_length(path, model, config, embeds=False),
            text_length=context_length or _stated_length(path, model, config, embeds=True),
            vocab_size=_count(config.get("vocab_size")) or _count(model.get("vocab_size")),
            config=config,
            decoder=decoder,
            description=description,
        )

    def stated_size(self, *names: str) -> int | None:
        """Return the first of ``names`` that genai_config.json's decoder or config.json has as a positive number."""
        sizes = (_count(place.get(name)) for name in names for place in (self.decoder, self.config))
        return next((size for size in sizes if size is not None), None)

    def bare_length(self, usual: int) -> int:
        """Return ``usual`` for a folder of no more than a graph; the files of others must say. Raises: ModelError."""
        if self.layout == "bare":
            return usual
        raise ModelError(f"{self.path} does not say its context length; add max_position_embeddings to config.json")

    def written_context_length(self) -> int:
        """Return what jan_ort.json and the metadata of a graph of our own say. Raises: ModelError if neither does."""
        written = self.file.metadata.get("jan_ort.context_length", "")
        is_count = written.isascii() and written.isdigit() and len(written) < 10
        if self.context_length is not None:
            return min(self.context_length, int(written)) if is_count else self.context_length
        if not is_count:
            raise ModelError(
                f"{self.model_path} does not say its context length; jan_ort.json or the graph's metadata "
                "jan_ort.context_length must: convert the model again"
            )
        return int(written)

    def num_tokens(self) -> int | None:
        """Return the number of ids that tokenizer.json gives tokens to, None if it gives none. Raises: ModelError."""
        tokenizer = read_json(self.path / "tokenizer.json", {}, MAX_TOKENIZER_BYTES)
        vocabulary, added_tokens = _object(tokenizer.get("model")).get("vocab"), tokenizer.get("added_tokens")
        ids = range(len(vocabulary)) if isinstance(vocabulary, list) else _object(vocabulary).values()
        entries = added_tokens if isinstance(added_tokens, list) else []
        added = [entry.get("id") for entry in entries if isinstance(entry, dict)]
        return max((token_id for token_id in (*ids, *added) if type(token_id) is int), default=-1) + 1 or None


def _stated_length(path: Path, genai: Mapping[str, Any], config: Mapping[str, Any], *, embeds: bool) -> int | None:
    return stated_context_length(
        config=config,
        genai_model=genai,
        sentence_bert=read_json(path / sentence_config(path), {}),
        tokenizer_config=read_json(path / "tokenizer_config.json", {}),
        embeds=embeds,
    )


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 < value < 2**31 else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _read_description(path: Path) -> dict[str, Any]:
    description = read_json(path, {})
    if path.is_file() and description.get("format") != FORMAT:
        raise ModelError(f"{path} is not of format {FORMAT}; convert the model again with this version")
    return description


def read_json(path: Path, absent: Content, max_bytes: int = MAX_CONFIGURATION_BYTES) -> Content:
    """Return the JSON in ``path``, which is of the type of ``absent``; that itself if there is no such file.

    Raises: ModelError for a file that is not JSON, or JSON of another type.
    """
    if not path.is_file():
        return absent
    try:
        text = read_small_file(path, max_bytes)
    except ValueError as error:
        raise ModelError(f"{path} {error}; convert or download the model again") from error
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not valid JSON ({error}); convert or download the model again") from error
    if not isinstance(content, type(absent)):
        kind = "object" if isinstance(absent, dict) else "array"
        raise ModelError(f"{path} holds no JSON {kind}; convert or download the model again")
    return content


def _weights_hash(file: OnnxFile, description: Mapping[str, Any]) -> str:
    """Identify the weights: by source and conversion, or else by the graph's file and those of its tensors."""
    source = description.get("source")
    if isinstance(source, dict) and isinstance(source.get("sha256"), str):
        made = (source["sha256"], description.get("weights"), description.get("converter_version"))
        return hashlib.sha256("/".join(map(str, made)).encode()).hexdigest()
    digest = hashlib.sha256()
    for path in (file.path, *(file.path.parent / name for name in sorted(file.external_files))):
        digest.update(f"{path.name}/".encode())
        for sample in file_samples(path):
            digest.update(sample)
    return digest.hexdigest()
