"""Load a graph on one execution provider, with the options that suit both."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import onnxruntime as ort

from jan_ort_backends import ModelError
from jan_ort_onnxruntime.providers.placement import RECORD_ENTRY
from jan_ort_onnxruntime.providers.provider_devices import Candidate, preload_libraries
from jan_ort_onnxruntime.providers.provider_table import CPU_PROVIDER, Provider
from jan_ort_onnxruntime.providers.runtime_failures import loading
from jan_ort_onnxruntime.providers.serial_session import SerialSession, device_lock
from jan_ort_onnxruntime.providers.shared_weights import DATA_ENTRY, WRITING, shared_graph
from jan_ort_onnxruntime.session_settings import SessionSettings

logger = logging.getLogger(__name__)

EXTERNAL_FOLDER_ENTRY = "session.model_external_initializers_file_folder_path"
"""Where the weights are that a graph names which is given as bytes; ONNX Runtime refuses links to elsewhere."""


def load_on(
    candidate: Candidate,
    model_path: Path,
    settings: SessionSettings,
    *,
    optimise: bool = False,
    runtime: Any = ort,
    content: bytes | None = None,
) -> Any:
    """Load a graph on one provider; ``content`` is what to load instead of the file, whose weights it names.

    Raises: ModelError naming the file or an option, or if the provider was dropped; OutOfMemory.
    """
    provider = candidate.provider
    preload_libraries(runtime, provider)
    options = _session_options(provider, settings, optimise, runtime)
    if settings.share_weights and content is None and provider.ep_name == CPU_PROVIDER:
        model_path = shared_graph(model_path, partial(_write, model_path, provider, settings, optimise))
    if content is not None:
        options.add_session_config_entry(EXTERNAL_FOLDER_ENTRY, str(model_path.resolve().parent))
    model = model_path if content is None else content
    started = time.perf_counter()
    lock = device_lock(candidate.device_key) if provider.serial_runs else None
    blamed = None if provider.ep_name == CPU_PROVIDER else provider.ep_name
    with loading(model_path, blamed, provider.repair), lock or nullcontext():
        if candidate.devices:
            options.add_provider_for_devices(list(candidate.devices), _provider_options(provider, settings))
            session = runtime.InferenceSession(model, options, enable_fallback=0)
        else:
            chosen = [(provider.ep_name, _provider_options(provider, settings))]
            session = runtime.InferenceSession(model, options, providers=chosen, enable_fallback=0)
    if provider.ep_name not in session.get_providers():
        raise ModelError(f"{provider.ep_name} cannot be used here: onnxruntime left it out; {provider.repair}")
    logger.debug("loaded %s in %.2f s", model_path, time.perf_counter() - started)
    return session if lock is None else SerialSession(session, lock)


def _write(model_path: Path, provider: Provider, settings: SessionSettings, optimise: bool, target: Path) -> None:
    """Load a graph on the CPU, and write it with its packed weights to ``target``. Raises what ONNX Runtime raises."""
    options = _session_options(provider, settings, optimise, ort)
    options.optimized_model_filepath = str(target)
    for key, value in {**WRITING, DATA_ENTRY: f"{target.name}.data"}.items():
        options.add_session_config_entry(key, value)
    ort.InferenceSession(model_path, options, providers=[provider.ep_name])


def _provider_options(provider: Provider, settings: SessionSettings) -> dict[str, str]:
    limit = provider.memory_limit_option
    if not settings.memory_limit_mb:
        return dict(provider.options)
    if limit is None:
        raise ModelError(
            f"option memory_limit_mb is {settings.memory_limit_mb}, and {provider.ep_name} takes no limit; leave it out"
        )
    return {**provider.options, limit: str(settings.memory_limit_mb * 2**20)}


def _session_options(provider: Provider, settings: SessionSettings, optimise: bool, runtime: Any) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = settings.intra_op_num_threads
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_mem_pattern = provider.memory_pattern
    options.log_severity_level = 3  # errors; they also arrive as exceptions
    # The graphs are written fused: optimising them again costs start-up time and gains nothing.
    levels = runtime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimise else levels.ORT_DISABLE_ALL
    options.add_session_config_entry(RECORD_ENTRY, "1")
    entries = {**provider.session_entries, **_spinning(settings.spin_duration_us, runtime.__version__)}
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return options


def _spinning(duration_us: int, runtime_version: str) -> dict[str, str]:
    """Return the session's entries for spinning; ONNX Runtime bounds it since 1.26, before it would go on and on."""
    version = tuple(int(part) for part in runtime_version.split(".")[:2])
    if duration_us == 0 or version < (1, 26):
        return {"session.intra_op.allow_spinning": "0"}
    return {"session.intra_op.allow_spinning": "1", "session.intra_op.spin_duration_us": str(duration_us)}
