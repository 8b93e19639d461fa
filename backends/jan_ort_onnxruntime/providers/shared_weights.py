"""One copy of the weights for all processes of a machine, packed for its processor, in a file that each maps.

ONNX Runtime lays matrices out anew for its kernels whenever it loads a graph, in memory of its own. It can also write
what it has packed beside the weights: who loads that file packs a matrix, finds the same bytes in the file, and keeps
those. So a file of another processor would be of no use, and no danger.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort
from filelock import FileLock

from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers.processor import processor
from jan_ort_onnxruntime.providers.runtime_failures import ORT_ERRORS

logger = logging.getLogger(__name__)

WRITING = {
    "session.optimized_model_external_initializers_min_size_in_bytes": "1024",
    "session.save_external_prepacked_constant_initializers": "1",
}
"""Entries of a session that writes its graph; the file for the weights is to be named, too."""

DATA_ENTRY = "session.optimized_model_external_initializers_file_name"

_PACKED, _TEMPORARY = "packed-", ".tmp-packed-"
_FAILURES: tuple[type[Exception], ...] = (OSError, *ORT_ERRORS)

_GROWTH = 2.5
"""Most bytes of the file over those of the weights: they are in it, too, and scales that are packed with them."""


def shared_graph(model_path: Path, write: Callable[[Path], object]) -> Path:
    """Return the graph whose weights are shared, made if it is not there; the given one where that cannot be.

    ``write`` loads the graph and writes it with what is packed to a path.
    """
    folder = model_path.parent / f"{_PACKED}{_key(model_path)}"
    graph = folder / model_path.name
    try:
        if not _is_whole(graph):
            with FileLock(folder.with_name(f"{folder.name}.lock")):
                if not _is_whole(graph):
                    _make(folder, model_path, write)
    except _FAILURES as error:
        logger.warning("the weights of %s are not shared with other processes: %s", model_path, error)
        return model_path
    return graph


def _is_whole(graph: Path) -> bool:
    return graph.is_file() and not OnnxFile.read(graph).missing_files()


def _key(model_path: Path) -> str:
    """Return what the packed weights depend on: the weights, ONNX Runtime and the processor."""
    files = (model_path, *(model_path.parent / name for name in OnnxFile.read(model_path).external_files))
    told = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    digest = hashlib.sha256(f"{told} {processor()}".encode()).hexdigest()
    return f"{ort.__version__}-{digest[:16]}"


def _left(folder: Path) -> list[Path]:
    """Return what processes that have ended left, what another version of ONNX Runtime packed, and a damaged copy."""
    of_others = (
        path
        for path in folder.parent.glob(f"{_PACKED}*")
        if path.is_dir() and not path.name.startswith(f"{_PACKED}{ort.__version__}-")
    )
    return [*folder.parent.glob(f"{_TEMPORARY}*"), *of_others, *([folder] if folder.exists() else [])]


def _make(folder: Path, model_path: Path, write: Callable[[Path], object]) -> None:
    """Make the folder, which appears whole. Raises: OSError if there is no room; what ONNX Runtime raises."""
    for left in _left(folder):
        shutil.rmtree(left, ignore_errors=True)
    weights = sum(OnnxFile.read(model_path).external_files.values()) + model_path.stat().st_size
    if shutil.disk_usage(folder.parent).free < _GROWTH * weights:
        raise OSError(f"{_GROWTH * weights / 1e9:.1f} GB of disk space are needed for a copy that they share")
    logger.info("the weights of %s are packed for processes to share them", model_path)
    partial = folder.with_name(f"{_TEMPORARY}{secrets.token_hex(4)}")
    partial.mkdir()
    try:
        write(partial / model_path.name)
        if problems := OnnxFile.read(partial / model_path.name).missing_files():
            raise OSError(problems[0])
        for path in partial.iterdir():
            with path.open("r+b") as stream:
                os.fsync(stream.fileno())
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
