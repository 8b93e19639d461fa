"""A sentence-transformers folder: what is done behind the encoder, checked before anything is converted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jan_ort.convert.inputs.dense_module import Dense, read_dense
from jan_ort.ground.model_errors import ConversionError
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.pooling_families import MODES, family_pooling
from jan_ort_backends.small_files import MAX_CONFIGURATION_BYTES, leaves_folder, read_small_file

_POOLING_KEYS = "pooling_mode_"
_POOLINGS = {
    **{mode: mode for mode in MODES},
    "lasttoken": "last",
    "mean_tokens": "mean",
    "cls_token": "cls",
    "max_tokens": "max",
}
_SUPPORTED_MODULES = ("Transformer", "Pooling", "Dense", "Normalize")
"""In the order that they stand in; of Dense there may be several."""


@dataclass(frozen=True, slots=True)
class SentenceTransformer:
    """What becomes of the last hidden state: ``pooling`` is one of MODES, and ``dense`` what follows."""

    pooling: str
    normalize: bool
    dense: tuple[Dense, ...] = ()


def read_json(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> dict[str, Any]:
    """Return the JSON object of the file. Raises: ConversionError naming it if it is missing or something else."""
    content = _read(path, max_bytes)
    if not isinstance(content, dict):
        raise ConversionError(f"{path} holds no JSON object; download it again")
    return content


def _read(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> Any:
    try:
        text = read_small_file(path, max_bytes)
    except FileNotFoundError:
        raise ConversionError(f"{path} is missing: a sentence-transformers folder needs it") from None
    except ValueError as error:
        raise ConversionError(f"{path} {error}; download it again") from error
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConversionError(f"{path} is not valid JSON ({error}); download it again") from error


def states_pooling(folder: Path) -> bool:
    """Say whether a folder's own files say how to pool."""
    return (folder / "modules.json").exists() or (folder / "1_Pooling" / "config.json").exists()


def read_sentence_transformer(folder: Path, pooling: str | None = None) -> SentenceTransformer:
    """Read what a folder says of pooling; one without modules.json pools as its family, or as ``pooling`` says.

    Raises: ConversionError naming what is missing, or what is not supported: a pooling that is none of MODES, a module
    beyond Pooling and Normalize.
    """
    if not states_pooling(folder):
        return SentenceTransformer(_unstated_pooling(folder, pooling), normalize=True)
    listed = (folder / "modules.json").exists()
    modules = read_modules(folder) if listed else [("Pooling", "1_Pooling"), ("Normalize", "")]
    places = dict(modules)
    if "Pooling" not in places:
        raise ConversionError(
            f"{folder / 'modules.json'} names no Pooling module; supported poolings: {', '.join(MODES)}"
        )
    path = folder / places["Pooling"] / "config.json"
    dense = tuple(read_dense(folder / place, read_json) for name, place in modules if name == "Dense")
    return SentenceTransformer(_read_pooling(path), "Normalize" in places, dense)


def _unstated_pooling(folder: Path, pooling: str | None) -> str:
    if pooling is not None:
        return pooling
    stated = str(read_json(folder / "config.json").get("_name_or_path", ""))
    return name_pooling(folder, [stated, folder_name(folder)])


def name_pooling(path: Path, names: list[str]) -> str:
    """Return how the family pools that one of a model's names tells. Raises: ConversionError if none does."""
    if (known := family_pooling(names)) is None:
        raise ConversionError(
            f"{path} does not say how to pool its token vectors, and its name matches no known family; set --pooling "
            f"{', '.join(MODES[:-1])} or {MODES[-1]}, as on the model's page"
        )
    return known


def read_modules(folder: Path, supported: tuple[str, ...] = _SUPPORTED_MODULES) -> list[tuple[str, str]]:
    """Return each module's class name and folder, in their order, which is the only one that is supported.

    Raises: ConversionError for one that is not ``supported``.
    """
    listed = _read(folder / "modules.json")
    listed = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    modules = [(str(each.get("type", "")).rpartition(".")[2], str(each.get("path", ""))) for each in listed]
    if outside := [path for _, path in modules if leaves_folder(path)]:
        raise ConversionError(
            f"{folder / 'modules.json'}: path {outside[0][:80]!r} leaves the folder; download it again"
        )
    if unknown := [name for name, _ in modules if name not in supported]:
        raise ConversionError(
            f"{folder / 'modules.json'}: module {unknown[0]!r} is not supported; supported: {', '.join(supported)}"
        )
    names = [name for name, _ in modules]
    if names != sorted(names, key=supported.index):
        raise ConversionError(f"{folder / 'modules.json'}: the order {', '.join(names)[:200]} is not supported")
    return modules


def _read_pooling(path: Path) -> str:
    """Return the one pooling that is switched on; several at once (concatenated vectors) are refused."""
    config = read_json(path)
    chosen = [key.removeprefix(_POOLING_KEYS) for key, on in config.items() if key.startswith(_POOLING_KEYS) and on]
    if isinstance(mode := config.get("pooling_mode"), str):  # the spelling of sentence-transformers from 5.3
        chosen = [mode]
    if len(chosen) != 1 or chosen[0] not in _POOLINGS:
        raise ConversionError(
            f"{path}: pooling {' + '.join(chosen) or 'none'!r} is not supported; supported: {', '.join(MODES)}"
        )
    if config.get("include_prompt") is False:
        raise ConversionError(f"{path}: include_prompt false is not supported: a prompt's tokens are pooled, too")
    return _POOLINGS[chosen[0]]
