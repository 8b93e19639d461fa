"""What conversions write beside the graph: jan_ort.json, configuration files, and the texts of a GGUF file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import ConversionError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import Task

if TYPE_CHECKING:
    from jan_ort.convert.inputs.gguf_file import GgufFile
    from jan_ort.convert.tokenizers.vocabulary import Vocabulary

_FORMAT = 1

CONVERTER_VERSION = 4
"""Raise it when conversion writes other files for the same source, so that an upgrade converts again.

1 wrote float16 graphs and end tokens that were mended since, 2 one type of tokens for GGUF files of BERT that rank, and
3 weights whose last bits depended on the machine.
"""

_SAMPLING = {
    "general.sampling.temp": "temperature",
    "general.sampling.top_p": "top_p",
    "general.sampling.top_k": "top_k",
    "general.sampling.min_p": "min_p",
    "general.sampling.penalty_repeat": "repetition_penalty",
}
"""How a GGUF file's makers sample: its keys, by their names in generation_config.json."""


def check_empty(target: Path) -> None:
    """Refuse a folder that a conversion could not fill, or would mix with others. Raises: ConversionError."""
    if not target.is_dir() or any(target.iterdir()):
        raise ConversionError(f"{target} must be an existing, empty directory; make one and try again")


def describe(
    *, name: str, task: Task, context_length: int, weights: str, source: Path, sha256: str | None = None
) -> dict[str, Any]:
    """Return the content of jan_ort.json; ``source`` is the file that the weights were read from.

    It is read for its ``sha256`` if that is not known.
    """
    return {
        "format": _FORMAT,
        "name": name,
        "task": task.name,
        "context_length": context_length,
        "weights": weights,
        "source": {"file": source.name, "sha256": sha256 or sha256_in_blocks(source, silent)},
        "converter_version": CONVERTER_VERSION,
    }


def write_json(path: Path, content: Any) -> None:
    """Write a configuration file, readable by people too."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_chat_template(target: Path, model: GgufFile) -> bool:
    """Write the file's chat template, and its own for conversations with tools; return whether it has the first."""
    if (key := "tokenizer.chat_template.tool_use") in model:
        path = target / "additional_chat_templates" / "tool_use.jinja"
        path.parent.mkdir()
        path.write_text(model.string(key), encoding="utf-8", newline="")
    if "tokenizer.chat_template" not in model:
        return False
    template = model.string("tokenizer.chat_template")
    (target / "chat_template.jinja").write_text(template, encoding="utf-8", newline="")
    return True


def recommended_sampling(model: GgufFile) -> dict[str, float]:
    """Return how the file says that its model is sampled, as generation_config.json would."""
    stated = {name: model.optional_number(key) for key, name in _SAMPLING.items()}
    return {name: value for name, value in stated.items() if value is not None}


def write_configs(
    target: Path, vocabulary: Vocabulary, config: Mapping[str, Any], sampling: Mapping[str, float] | None = None
) -> None:
    """Write the tokenizer's configuration, ``config`` with the special tokens, and how to generate."""
    special = vocabulary.special
    write_json(target / "tokenizer_config.json", vocabulary.to_json(config["max_position_embeddings"]))
    write_json(target / "config.json", {**config, "bos_token_id": special.bos, "eos_token_id": special.eos})
    ends = {"bos_token_id": special.bos, "eos_token_id": special.end_ids}
    write_json(target / "generation_config.json", {**ends, **(sampling or {})})
