"""A sentence-transformers folder: what is done around the encoder, checked before anything is converted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, leaves_folder, read_small_file

Pooling = Literal["mean", "cls"]

_POOLING_KEYS = "pooling_mode_"
_POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls", "mean": "mean", "cls": "cls"}
_SUPPORTED_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class SentenceTransformer:
    """What becomes of the last hidden state, and of texts of more than ``max_length`` tokens, where that is said."""

    max_length: int | None
    pooling: Pooling
    normalize: bool


def read_json(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> dict[str, Any]:
    """Return the JSON object of the file. Raises: ConversionError naming it if it is missing or something else."""
    content = _read(path, max_bytes)
    if not isinstance(content, dict):
        raise ConversionError(f"{path} holds no JSON object; fetch it again")
    return content


def _read(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> Any:
    try:
        text = read_small_file(path, max_bytes)
    except FileNotFoundError:
        raise ConversionError(f"{path} is missing: a sentence-transformers folder needs it") from None
    except ValueError as error:
        raise ConversionError(f"{path} {error}; fetch it again") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{path} is no JSON ({error}); fetch it again") from error


def read_sentence_transformer(folder: Path) -> SentenceTransformer:
    """Read the configuration files of the sentence-transformers ``folder``.

    Raises: ConversionError naming what is missing, or what is not supported: a prompt before every text, a pooling
    other than mean and cls, a module beyond Pooling and Normalize.
    """
    modules = _read_modules(folder)
    _check_prompt(folder)
    return SentenceTransformer(
        max_length=_read_max_length(folder),
        pooling=_read_pooling(folder / modules["Pooling"] / "config.json"),
        normalize="Normalize" in modules,
    )


def _check_prompt(folder: Path) -> None:
    """Refuse a model whose every text gets a prompt in front, rather than leave it out silently."""
    path = folder / "config_sentence_transformers.json"
    if path.exists() and (prompt := read_json(path).get("default_prompt_name")):
        raise ConversionError(f"{path}: default_prompt_name {prompt!r} is not supported; supported: none")


def _read_modules(folder: Path) -> dict[str, str]:
    """Return the folder of each module by its class name."""
    listed = _read(folder / "modules.json")
    listed = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    modules = {str(each.get("type", "")).rpartition(".")[2]: str(each.get("path", "")) for each in listed}
    if outside := [path for path in modules.values() if leaves_folder(path)]:
        raise ConversionError(f"{folder / 'modules.json'}: path {outside[0][:80]!r} leaves the folder; fetch it again")
    unknown = [name for name in modules if name not in _SUPPORTED_MODULES]
    if unknown:
        supported = ", ".join(_SUPPORTED_MODULES)
        raise ConversionError(
            f"{folder / 'modules.json'}: module {unknown[0]!r} is not supported; supported: {supported}"
        )
    if "Pooling" not in modules:
        raise ConversionError(f"{folder / 'modules.json'} names no Pooling module; supported poolings: mean, cls")
    return modules


def _read_pooling(path: Path) -> Pooling:
    """Return the one pooling that is switched on; several at once (concatenated vectors) are refused."""
    config = read_json(path)
    chosen = [key.removeprefix(_POOLING_KEYS) for key, on in config.items() if key.startswith(_POOLING_KEYS) and on]
    if isinstance(mode := config.get("pooling_mode"), str):  # the spelling of sentence-transformers from 5.3
        chosen = [mode]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise ConversionError(
            f"{path}: pooling {' + '.join(chosen) or 'none'!r} is not supported; supported: mean, cls"
        )
    return _POOLINGS[chosen[0]]


def _read_max_length(folder: Path) -> int | None:
    """Return the number of tokens that the model was trained to see, [CLS] and [SEP] among them; None if not said."""
    path = folder / "sentence_bert_config.json"
    limit = read_json(path).get("max_seq_length") if path.exists() else None
    if limit is not None and (type(limit) is not int or not 0 < limit < 2**31):
        raise ConversionError(f"{path}: max_seq_length is {str(limit)[:80]!r}, no number of tokens; fetch it again")
    return limit
