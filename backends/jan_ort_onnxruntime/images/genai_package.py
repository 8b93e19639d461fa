"""onnxruntime-genai's packages of models that read images, which are told by name: they are laid out in another way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.graphs.onnx_folder import read_json

_PARTS = ("vision", "speech", "embedding")
_TRIOS = {"qwen2_5_vl": "Qwen2.5-VL", "gemma3": "Gemma 3"}
"""Models, by genai_config.json's type, of which there is a layout that is read."""


def refuse_package(folder: Path) -> None:
    """Do nothing for any other folder. Raises: ModelError with the model's type, what is missing, and what to take."""
    model = read_json(folder / "genai_config.json", {}).get("model")
    stated = model if isinstance(model, dict) else {}
    parts = {name: part for name in _PARTS if isinstance(part := stated.get(name), dict)}
    if not parts:
        return
    kind = stated.get("type")
    raise ModelError(
        f"{folder} is onnxruntime-genai's package of a {kind!r:.40}, whose {', '.join(parts)} graphs are not read"
        f"{_lacking(folder, parts)}; {_way_out(kind)}"
    )


def _lacking(folder: Path, parts: dict[str, dict[str, Any]]) -> str:
    names = [name for part in parts.values() if isinstance(name := part.get("filename"), str)]
    gone = [f"{name:.80}" for name in names if not (folder / name).is_file()]
    return f" (and {', '.join(gone)} is missing)" if gone else ""


def _way_out(kind: object) -> str:
    if name := _TRIOS.get(str(kind)):
        return f"take {name} as onnx-community publishes it: onnx/vision_encoder, embed_tokens and decoder_model_merged"
    return "no other layout of this model is supported, so use another model: docs/images.md lists them"
