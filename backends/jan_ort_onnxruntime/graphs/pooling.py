"""From the hidden states of a text's tokens to one vector, where the graph leaves that to us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import ModelError
from jan_ort_backends.folder_names import folder_name
from jan_ort_backends.pooling_families import MODES, family_pooling
from jan_ort_backends.small_files import leaves_folder
from jan_ort_onnxruntime.graphs.onnx_folder import read_json

_OLD_KEYS = "pooling_mode_"
_MODES = {
    "mean": "mean",
    "cls": "cls",
    "max": "max",
    "lasttoken": "last",
    "mean_tokens": "mean",
    "cls_token": "cls",
    "max_tokens": "max",
}
"""sentence-transformers' names: the first four are values of "pooling_mode", from 5.3 on; before, keys ended so."""
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Pooling:
    """How the vectors of a text's tokens become one: ``mode`` is one of MODES, None where a folder does not say it."""

    mode: str | None
    normalize: bool

    @classmethod
    def of_graph(cls, folder: Path) -> Pooling:
        """Return what is left of a graph that holds the other modules: to normalise, which twice changes nothing."""
        path = folder / "modules.json"
        return cls("graph", normalize=not path.is_file() or "Normalize" in _modules(path))

    @classmethod
    def read(cls, folder: Path) -> Pooling:
        """Read modules.json and the pooling's config.json; without either, the folder's family tells the mode.

        Vectors are normalised to length 1 without modules.json. Raises: ModelError naming a module or mode that is not
        known. Source: the file formats of sentence-transformers 5 and 6.
        """
        places = _module_places(folder)
        mode = _mode(folder / (places.get("Pooling") or "1_Pooling")) or _family_mode(folder)
        return cls(mode, normalize=not places or "Normalize" in places)

    def chosen(self, mode: str | None, folder: Path) -> Pooling:
        """Return how to pool where ``mode`` is the answer of who was asked. Raises: ModelError if nobody was."""
        if self.mode is not None:
            return self
        if mode is None:
            raise ModelError(
                f"{folder} does not say how to pool its token vectors (it has no 1_Pooling/config.json), and its name "
                f"matches no known family; set --pooling {', '.join(MODES[:-1])} or {MODES[-1]}, as on the "
                "model's page"
            )
        return replace(self, mode=mode)

    def apply(self, hidden: NDArray[np.float32], lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return float32 ``(rows, size)`` of ``hidden`` ``(rows, width, size)``, padded on the right of ``lengths``."""
        inside = np.arange(hidden.shape[1]) < lengths[:, np.newaxis]  # (rows, width)
        if self.mode == "mean":
            vectors = np.einsum("rws,rw->rs", hidden, inside.astype(np.float32)) / lengths[:, np.newaxis]
        elif self.mode == "max":
            vectors = np.where(inside[:, :, np.newaxis], hidden, -np.inf).max(axis=1)
        else:
            places = lengths - 1 if self.mode == "last" else np.zeros_like(lengths)
            vectors = hidden[np.arange(len(hidden)), places]
        return self.scale(vectors.astype(np.float32))

    def scale(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the vectors with length 1, if the model is to normalise (torch.nn.functional.normalize)."""
        if not self.normalize:
            return vectors
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: NDArray[np.float32] = (vectors / np.maximum(norms, 1e-12)).astype(np.float32)
        return scaled


def _modules(path: Path) -> dict[str, str]:
    modules = [module for module in read_json(path, []) if isinstance(module, Mapping)]
    return {str(module.get("type", "")).rpartition(".")[2]: str(module.get("path", "")) for module in modules}


def _module_places(folder: Path) -> dict[str, str]:
    """Return the folder of each module by its class name, empty without modules.json. Raises: ModelError."""
    path = folder / "modules.json"
    places = _modules(path)
    if outside := [place for place in places.values() if leaves_folder(place)]:
        raise ModelError(f"{path}: path {outside[0][:80]!r} leaves the folder; download the model again")
    if unknown := [name for name in places if name not in _KNOWN_MODULES]:
        raise ModelError(
            f"{path} has a module {unknown[0][:80] or 'without a type'}, which is not known outside the graph; export "
            f"the model with an output sentence_embedding, in which it is"
        )
    return places


def _family_mode(folder: Path) -> str | None:
    stated = str(read_json(folder / "config.json", {}).get("_name_or_path", ""))
    return family_pooling([stated, folder_name(folder)])


def _mode(folder: Path) -> str | None:
    """Return the one way of pooling that is asked for, None where the folder says nothing."""
    path = folder / "config.json"
    config = read_json(path, {})
    chosen = [key.removeprefix(_OLD_KEYS) for key, on in config.items() if key.startswith(_OLD_KEYS) and on is True]
    if "pooling_mode" in config:
        chosen = [str(config["pooling_mode"])]
    if len(chosen) > 1 or not set(chosen) <= set(_MODES) or (config and not chosen):
        raise ModelError(
            f"{path} asks for {', '.join(chosen) or 'no pooling'}; it must ask for one of {', '.join(_MODES)}"
        )
    if config.get("include_prompt") is False:
        raise ModelError(
            f"{path}: include_prompt false is not supported, as a prompt's tokens are pooled, too; export the model "
            "with an output sentence_embedding, or set it to true if texts are sent without a prompt"
        )
    return _MODES[chosen[0]] if chosen else None
