"""Load a graph on an execution provider, prove by a run that it works there, and say what was really used."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort

from jan_ort_backends import BackendError, DeviceReport, ModelError, Session
from jan_ort_backends.failure_text import one_line
from jan_ort_onnxruntime.graphs.operator_needs import read_needs, why_not
from jan_ort_onnxruntime.providers.failures import loading
from jan_ort_onnxruntime.providers.placement import RECORD_ENTRY, count_nodes, fallen_back
from jan_ort_onnxruntime.providers.proof import prove
from jan_ort_onnxruntime.providers.provider_devices import Candidate, choose, look_around, preload_libraries
from jan_ort_onnxruntime.providers.provider_table import AUTO, CPU_PROVIDER, Provider
from jan_ort_onnxruntime.providers.serial_session import SerialSession, device_lock
from jan_ort_onnxruntime.session_settings import SessionSettings

logger = logging.getLogger(__name__)

MIN_SHARE = 0.5
"""The part of a graph's nodes that a provider must take to be chosen by itself: tensors cross every border."""

Build = Callable[[Any, DeviceReport], Session]
"""Makes a session of a loaded InferenceSession; raises ModelError if the graph is none that it runs."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be opened, whatever the provider."""

    model_path: Path
    settings: SessionSettings
    build: Build
    optimise: bool
    runtime: Any


def open_proven(
    model_path: Path, settings: SessionSettings, build: Build, *, optimise: bool = False, runtime: Any = ort
) -> Session:
    """Open a graph on the provider asked for, or on the first of all that a run of one token proves to work.

    ``optimise``: let ONNX Runtime rewrite the graph, for one that was not written fused. With ``settings.strict`` the
    first provider that fails, and the first node that runs elsewhere, is an error.
    Raises: ModelError naming the option or the file and the remedy; OutOfMemory; DeviceLost; BackendError.
    """
    machine = look_around(runtime)
    try:
        candidates = choose(machine, settings.provider)
    except LookupError as error:
        raise ModelError(f"option provider is {settings.provider!r}: {error.args[0]}") from error
    if settings.strict and settings.provider == AUTO and machine.missing:
        told = "; ".join(f"{distribution}: {reason}" for distribution, reason in machine.missing.items())
        raise ModelError(f"strict is on, and what is installed cannot be used: {told}")
    request = _Request(model_path, settings, build, optimise, runtime)
    declined = dict(machine.missing)
    for candidate in candidates:
        report = DeviceReport(
            settings.provider, candidate.provider.ep_name, registered=machine.registered, declined=dict(declined)
        )
        try:
            return _open_on(candidate, request, report)
        except Exception as error:  # whatever a provider's answers lead to, the next one may work
            if settings.strict or candidate is candidates[-1]:
                raise
            foreseen = isinstance(error, BackendError)
            reason = str(error) if foreseen else one_line(error)
            name = candidate.provider.name
            logger.warning("%s is not opened on %s: %s", model_path, name, reason, exc_info=not foreseen)
            declined[name] = reason
    raise AssertionError("choose() returns a candidate or raises")


def _open_on(candidate: Candidate, request: _Request, report: DeviceReport) -> Session:
    """Open on one provider and prove it; ``report`` is completed with where the nodes run."""
    path, settings, runtime = request.model_path, request.settings, request.runtime
    _check_operators(candidate.provider, path)
    loaded = load_on(candidate, path, settings, optimise=request.optimise, runtime=runtime)
    nodes = count_nodes(loaded)
    _check_placement(candidate.provider, nodes, path, settings)
    session = request.build(loaded, replace(report, nodes=nodes))
    try:
        prove(session, with_cache=candidate.provider.ep_name != CPU_PROVIDER)
    except BaseException:
        session.close()
        raise
    logger.info("%s runs on %s (asked for: %s): %s", path, report.used, report.requested, _told(nodes))
    return session


def load_on(
    candidate: Candidate, model_path: Path, settings: SessionSettings, *, optimise: bool = False, runtime: Any = ort
) -> Any:
    """Load a graph on one provider.

    Raises: ModelError naming the file or an option, or if the provider was dropped; OutOfMemory.
    """
    provider = candidate.provider
    preload_libraries(runtime, provider)
    options = _session_options(provider, settings, optimise, runtime)
    started = time.perf_counter()
    lock = device_lock(candidate.device_key) if provider.serial_runs else None
    with loading(model_path), lock or nullcontext():
        if candidate.devices:
            options.add_provider_for_devices(list(candidate.devices), _provider_options(provider, settings))
            session = runtime.InferenceSession(model_path, options, enable_fallback=0)
        else:
            chosen = [(provider.ep_name, _provider_options(provider, settings))]
            session = runtime.InferenceSession(model_path, options, providers=chosen, enable_fallback=0)
    if provider.ep_name not in session.get_providers():
        raise ModelError(f"{provider.ep_name} cannot be used here: onnxruntime left it out; {provider.repair}")
    logger.info("loaded %s in %.2f s", model_path, time.perf_counter() - started)
    return session if lock is None else SerialSession(session, lock)


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
    for key, value in _spinning(settings.spin_duration_us, runtime.__version__).items():
        options.add_session_config_entry(key, value)
    return options


def _spinning(duration_us: int, runtime_version: str) -> dict[str, str]:
    """Return the session's entries for spinning; ONNX Runtime bounds it since 1.26, before it would go on and on."""
    version = tuple(int(part) for part in runtime_version.split(".")[:2])
    if duration_us == 0 or version < (1, 26):
        return {"session.intra_op.allow_spinning": "0"}
    return {"session.intra_op.allow_spinning": "1", "session.intra_op.spin_duration_us": str(duration_us)}


def _check_operators(provider: Provider, model_path: Path) -> None:
    """Decline a graph whose deciding operators the provider has no kernels for. Raises: ModelError."""
    if provider.kernels and (reason := why_not(read_needs(model_path), provider)):
        raise ModelError(f"{model_path} cannot run on {provider.name}: {reason}")


def _check_placement(provider: Provider, nodes: Mapping[str, int], model_path: Path, settings: SessionSettings) -> None:
    """Judge where the nodes run: all on the provider if strict, most if it chose itself. Raises: ModelError."""
    elsewhere, total = sum(fallen_back(nodes, provider.ep_name).values()), sum(nodes.values())
    if settings.strict and not total and provider.ep_name != CPU_PROVIDER:
        raise ModelError("option strict needs an onnxruntime that tells where nodes run; pip install --upgrade it")
    if settings.strict and elsewhere:
        raise ModelError(
            f"{model_path}: {elsewhere} of {total} nodes do not run on {provider.ep_name} ({_told(nodes)}) and strict "
            "is on; convert the model for this provider, choose another, or leave out strict"
        )
    if settings.provider == AUTO and elsewhere > total * (1 - MIN_SHARE):
        raise ModelError(f"only {total - elsewhere} of {total} nodes of {model_path} can run on {provider.ep_name}")
    if elsewhere:
        logger.warning("%s: %d of %d nodes fell back: %s", model_path, elsewhere, total, _told(nodes))


def _told(nodes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} nodes on {name}" for name, count in nodes.items()) or "its nodes' places are not known"
