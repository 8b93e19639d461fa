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
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(settings.allow_spinning)))
    started = time.perf_counter()
    with loading(model_path):
        session = ort.InferenceSession(model_path, options, providers=PROVIDERS[settings.provider])
    logger.info("loaded %s in %.2f s", model_path, time.perf_counter() - started)
    return session


def device_report(session: ort.InferenceSession, settings: SessionSettings) -> DeviceReport:
    """Say which provider was asked for and which one the session has first."""
    return DeviceReport(requested=settings.provider, used=session.get_providers()[0])
