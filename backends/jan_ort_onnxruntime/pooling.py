"""From the hidden states of a text's tokens to one vector, where the graph leaves that to us."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import ModelError

_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
_KNOWN_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True, slots=True)
class Pooling:
    """How the vectors of a text's tokens become one: ``mode`` is "mean", "cls", "max" or "last"."""

    mode: str
    normalize: bool

    @classmethod
    def read(cls, folder: Path) -> Pooling:
        """Read modules.json and 1_Pooling/config.json; without the former, mean and normalised to length 1.

        Raises: ModelError naming a module or mode that is not known. Source: sentence-transformers 5's file formats.
        """
        modules = _read(folder / "modules.json", [])
        names = [str(module.get("type", "")).rpartition(".")[2] for module in modules if isinstance(module, Mapping)]
        for name in names:
            if name not in _KNOWN_MODULES:
                raise ModelError(
                    f"{folder / 'modules.json'} has a module {name}, which is not known outside the graph; export the "
                    "model with a sentence_embedding output"
                )
        config = _read(folder / "1_Pooling" / "config.json", {})
        chosen = [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
        if len(chosen) > 1 or not set(chosen) <= set(_MODES):
            raise ModelError(
                f"{folder / '1_Pooling' / 'config.json'} asks for {', '.join(chosen)}; it must ask for "
                f"one of {', '.join(_MODES)}"
            )
        return cls(_MODES[chosen[0]] if chosen else "mean", normalize=not names or "Normalize" in names)

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


def _read(path: Path, absent: Any) -> Any:
    if not path.is_file():
        return absent
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}); download the model again") from error
    if type(content) is not type(absent):
        raise ModelError(f"{path} holds a {type(content).__name__}; download the model again")
    return content
