"""Execution providers, and how a graph is loaded with one."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import onnxruntime as ort

from jan_ort_backends import DeviceReport, ModelError
from jan_ort_onnxruntime.failures import loading
from jan_ort_onnxruntime.settings import SessionSettings

logger = logging.getLogger(__name__)

PROVIDERS = {"cpu": ["CPUExecutionProvider"]}
"""The providers that ONNX Runtime is asked for, by the name of the option ``provider``."""


def load_graph(model_path: Path, settings: SessionSettings) -> ort.InferenceSession:
    """Load a graph. Raises: ModelError naming the file; OutOfMemory."""
    if settings.provider not in PROVIDERS:
        raise ModelError(f"option provider is {settings.provider!r}; there are: {', '.join(PROVIDERS)}")
    options = ort.SessionOptions()
    options.intra_op_num_threads = settings.intra_op_num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors; they also arrive as exceptions
    # The graphs are written fused: optimising them again costs start-up time and gains nothing.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    for key, value in _spinning(settings.spin_duration_us).items():
        options.add_session_config_entry(key, value)
    started = time.perf_counter()
    with loading(model_path):
        session = ort.InferenceSession(model_path, options, providers=PROVIDERS[settings.provider])
    logger.info("loaded %s in %.2f s", model_path, time.perf_counter() - started)
    return session


def _spinning(duration_us: int) -> dict[str, str]:
    """Return the session's entries for spinning; ONNX Runtime bounds it since 1.26, before it would go on and on."""
    version = tuple(int(part) for part in ort.__version__.split(".")[:2])
    if duration_us == 0 or version < (1, 26):
        return {"session.intra_op.allow_spinning": "0"}
    return {"session.intra_op.allow_spinning": "1", "session.intra_op.spin_duration_us": str(duration_us)}


def device_report(session: ort.InferenceSession, settings: SessionSettings) -> DeviceReport:
    """Say which provider was asked for and which one the session has first."""
    return DeviceReport(requested=settings.provider, used=session.get_providers()[0])
