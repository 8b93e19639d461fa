"""Conversion of model files that people have (GGUF, safetensors) into model folders with one ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jan_ort.models.convert.gguf_folder import convert_gguf

__all__ = ["convert_gguf"]


def __getattr__(name: str) -> object:
    # Lazy: onnx and gguf take a quarter of a second to import, and most starts convert nothing.
    if name == "convert_gguf":
        from jan_ort.models.convert.gguf_folder import convert_gguf

        return convert_gguf
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
