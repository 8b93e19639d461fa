"""What the files of ONNX graphs are called by those who publish them: one table for fetching and for opening."""

from __future__ import annotations

from collections.abc import Collection

STEMS = ("model", "model_merged", "decoder_model_merged")
SUFFIXES = ("", "_quantized", "_int8", "_uint8", "_q8", "_q4", "_q4f16", "_bnb4", "_fp16", "_bf16", "_O1", "_O2", "_O3")
"""The variants of transformers.js and of optimum's quantisation, in the order in which a CPU's user wants them."""

FOLDERS = ("", "onnx/")
"""Where graphs lie in a model's folder or repository."""

GRAPH_NAMES = tuple(f"{folder}{stem}{suffix}.onnx" for folder in FOLDERS for suffix in SUFFIXES for stem in STEMS)
"""The names of graphs that can be run as they are, the first to be taken first."""


def first_graph(names: Collection[str]) -> str | None:
    """Return the graph that is taken of the files ``names``, relative and with slashes; None if none is known."""
    return next((name for name in GRAPH_NAMES if name in names), None)


IMAGE_PARTS = ("vision_encoder", "embed_tokens", "decoder_model_merged")
"""The three graphs of a model that reads images, as transformers.js names them."""


def has_image_parts(names: Collection[str]) -> bool:
    """Say whether these files are of a model in three graphs: the first two belong to no other."""
    return any(_variant(names, part) for part in IMAGE_PARTS[:2])


def image_graphs(names: Collection[str]) -> dict[str, str]:
    """Return the graph that is taken of each part, of the files ``names``. Raises: LookupError naming what lacks."""
    found = {part: _variant(names, part) for part in IMAGE_PARTS}
    for part, name in found.items():
        if name is None:
            others = ", ".join(other for other in found.values() if other)
            raise LookupError(
                f"there is no onnx/{part}.onnx, nor a variant of it such as onnx/{part}_q4.onnx, beside {others}"
            )
    return {part: name for part, name in found.items() if name}


def _variant(names: Collection[str], part: str) -> str | None:
    variants = (f"{folder}{part}{suffix}.onnx" for folder in FOLDERS for suffix in SUFFIXES)
    return next((name for name in variants if name in names), None)
