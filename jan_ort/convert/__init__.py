"""Conversion of model files that people have (GGUF, safetensors) into model folders with one ONNX graph.

Of the server, it imports the ground only; only ``jan_ort.models`` imports these functions.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jan_ort.convert.gguf_as_is import keep_gguf
    from jan_ort.convert.gguf_encoder_folder import check_gguf_encoder, convert_gguf_encoder
    from jan_ort.convert.gguf_folder import check_gguf, convert_gguf
    from jan_ort.convert.inputs.gguf_parts import existing_parts
    from jan_ort.convert.inputs.safetensors_shards import weight_files
    from jan_ort.convert.mmproj_beside import find_mmproj
    from jan_ort.convert.safetensors_folder import check_checkpoint, check_safetensors, convert_safetensors
    from jan_ort.convert.sentence_transformers_folder import check_sentence_transformers, convert_sentence_transformers
    from jan_ort.convert.task_of_gguf import forget_gguf, gguf_task

__all__ = [
    "check_checkpoint",
    "check_gguf",
    "check_gguf_encoder",
    "check_safetensors",
    "check_sentence_transformers",
    "convert_gguf",
    "convert_gguf_encoder",
    "convert_safetensors",
    "convert_sentence_transformers",
    "existing_parts",
    "find_mmproj",
    "forget_gguf",
    "gguf_task",
    "keep_gguf",
    "weight_files",
]

# Lazy: onnx and gguf take a quarter of a second to import, and most starts convert nothing.
_MODULES = {
    "check_checkpoint": "jan_ort.convert.safetensors_folder",
    "check_gguf": "jan_ort.convert.gguf_folder",
    "check_gguf_encoder": "jan_ort.convert.gguf_encoder_folder",
    "check_safetensors": "jan_ort.convert.safetensors_folder",
    "check_sentence_transformers": "jan_ort.convert.sentence_transformers_folder",
    "convert_gguf": "jan_ort.convert.gguf_folder",
    "convert_gguf_encoder": "jan_ort.convert.gguf_encoder_folder",
    "convert_safetensors": "jan_ort.convert.safetensors_folder",
    "convert_sentence_transformers": "jan_ort.convert.sentence_transformers_folder",
    "existing_parts": "jan_ort.convert.inputs.gguf_parts",
    "find_mmproj": "jan_ort.convert.mmproj_beside",
    "forget_gguf": "jan_ort.convert.task_of_gguf",
    "gguf_task": "jan_ort.convert.task_of_gguf",
    "keep_gguf": "jan_ort.convert.gguf_as_is",
    "weight_files": "jan_ort.convert.inputs.safetensors_shards",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
