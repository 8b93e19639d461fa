"""Export a model to ONNX with optimum, the one place that imports it; it needs the ``[export]`` extra."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from jan_ort.ground.model_errors import ConversionError, ModelFolderError
from jan_ort.ground.progress import Progress
from jan_ort.ground.task import EMBED, GENERATE, RERANK, Task
from jan_ort.models.folder import ModelFolder

logger = logging.getLogger(__name__)

Dtype = Literal["fp32", "fp16", "bf16"]

OPTIMUM_TASKS: Mapping[Task, str] = {
    GENERATE: "text-generation-with-past",
    EMBED: "feature-extraction",
    RERANK: "text-classification",
}
"""What optimum calls each task that it exports for; with the past, a graph takes and returns the KV cache."""

INSTALL = 'python -m pip install ".[export]" in jan-ort\'s own folder'


def export_model(source: str, target: Path, *, task: Task, dtype: Dtype, progress: Progress) -> None:
    """Write the model folder of ``source``, a Hugging Face id or a folder, into the existing, empty ``target``.

    Raises: ConversionError if optimum or torch is missing, with the command that installs them; if the model cannot
    be exported; or if what was exported lacks a file that serving needs.
    Source: optimum.exporters.onnx.main_export.
    """
    try:
        from optimum.exporters.onnx import main_export  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ConversionError(f"an export needs optimum and torch ({error}); install them: {INSTALL}") from error
    stage = f"Exporting {source}"
    progress(stage, 0.0)
    try:
        with warnings.catch_warnings():
            if not logger.isEnabledFor(logging.DEBUG):
                warnings.simplefilter("ignore")  # tracing a model warns dozens of times, of nothing a user can change
            main_export(source, output=target, task=OPTIMUM_TASKS[task], dtype=dtype)
    except Exception as error:  # optimum, transformers, torch and the hub each raise their own
        logger.debug("the export of %s failed", source, exc_info=True)
        reason = " ".join(str(error).split())[:400] or type(error).__name__
        raise ConversionError(f"{source} cannot be exported: {reason}; 'jan-ort -v' shows where") from error
    try:
        ModelFolder.read(target)
    except ModelFolderError as error:
        raise ConversionError(f"{source} was exported, but cannot be served: {error}") from error
    progress(stage, 1.0)
