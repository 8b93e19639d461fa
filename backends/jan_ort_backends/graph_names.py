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
