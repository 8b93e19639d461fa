"""Open a graph on an execution provider, prove by a run that it works there, and say what was really used."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import onnxruntime as ort

from jan_ort_backends import BackendError, DeviceReport, ModelError, Session
from jan_ort_backends.failure_text import one_line
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers.placement import check_placement, count_nodes, told
from jan_ort_onnxruntime.providers.proof import prove, step_s
from jan_ort_onnxruntime.providers.provider_devices import Candidate, Machine, choose, look_around
from jan_ort_onnxruntime.providers.provider_table import CPU, CPU_PROVIDER, Provider, why_not
from jan_ort_onnxruntime.providers.session_loading import load_on
from jan_ort_onnxruntime.session_settings import AUTO, SessionSettings

logger = logging.getLogger(__name__)

FAST_STEP_S = 0.02
"""A provider with such a step is taken without asking whether the CPU is faster: nobody reads 50 tokens a second."""

FAST_BYTES_S = 50e9
"""So is one that reads the weights at this rate, the most that a common CPU's memory gives, in a step of one token."""

Build = Callable[[Any, DeviceReport], Session]
"""Makes a session of a loaded InferenceSession; raises ModelError if the graph is none that it runs."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is to be opened, whatever the provider."""

    file: OnnxFile
    settings: SessionSettings
    build: Build
    optimise: bool
    runtime: Any
    content: bytes | None = None


def open_proven(
    file: OnnxFile,
    settings: SessionSettings,
    build: Build,
    *,
    optimise: bool = False,
    runtime: Any = ort,
    content: bytes | None = None,
) -> Session:
    """Open a graph on the provider asked for, or on the first of all that a run of one token proves to work.

    ``optimise``: let ONNX Runtime rewrite the graph, for one that was not written fused. ``content``: what to load
    instead of the file, whose weights it names; its cache is proven, too. With ``settings.strict`` the
    first provider that fails, and the first node that runs elsewhere, is an error.
    Raises: ModelError naming the option or the file and the remedy; OutOfMemory; DeviceLost; BackendError.
    """
    machine = look_around(runtime, settings.provider)
    candidates = _candidates(machine, settings.provider)
    if settings.strict and settings.provider == AUTO and machine.missing:
        told = "; ".join(f"{distribution}: {reason}" for distribution, reason in machine.missing.items())
        raise ModelError(f"strict is on, and what is installed cannot be used: {told}")
    request = _Request(file, settings, build, optimise, runtime, content)
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
            logger.warning("%s is not opened on %s: %s", file.path, name, reason, exc_info=not foreseen)
            declined[name] = reason
    raise AssertionError("choose() returns a candidate or raises")


def check_provider(name: str, runtime: Any = ort) -> None:
    """Check that a provider is there; whether it works is known only of a graph. Raises: ModelError with those here."""
    _candidates(look_around(runtime, name), name)


def comes_first(provider: Provider, name: str, runtime: Any = ort) -> bool:
    """Say whether the option ``name`` leads to this provider before any other."""
    try:
        candidates = choose(look_around(runtime, name), name)
    except LookupError:
        return False  # opening it says why
    return bool(candidates) and candidates[0].provider == provider and not candidates[0].devices


def _candidates(machine: Machine, name: str) -> tuple[Candidate, ...]:
    try:
        return choose(machine, name)
    except LookupError as error:
        raise ModelError(f"option provider is {name!r}: {error.args[0]}") from error


def _open_on(candidate: Candidate, request: _Request, report: DeviceReport) -> Session:
    """Open on one provider and prove it; ``report`` is completed with where the nodes run."""
    path, settings, runtime = request.file.path, request.settings, request.runtime
    _check_operators(candidate.provider, request.file)
    loaded = load_on(candidate, path, settings, optimise=request.optimise, runtime=runtime, content=request.content)
    nodes = count_nodes(loaded)
    check_placement(candidate.provider, nodes, path, settings)
    session = request.build(loaded, replace(report, nodes=nodes))
    try:
        prove(session, with_cache=candidate.provider.ep_name != CPU_PROVIDER or request.content is not None)
        if settings.provider == AUTO and candidate.provider.ep_name != CPU_PROVIDER:
            _check_pace(session, candidate.provider, request)
    except BaseException:
        session.close()
        raise
    logger.debug("%s is the graph", path)
    place = "/".join(path.parts[-2:])  # a folder of the cache has the model's name
    logger.info("%s runs on %s (asked for: %s): %s", place, report.used, report.requested, told(nodes))
    return session


def _check_pace(session: Session, provider: Provider, request: _Request) -> None:
    """Decline a provider that is slower than the CPU, as a GPU in software is, a thousand times. Raises: ModelError."""
    num_bytes = request.file.path.stat().st_size + sum(request.file.external_files.values())
    own_s = step_s(session)
    if own_s <= max(FAST_STEP_S, num_bytes / FAST_BYTES_S):
        return
    alone = replace(request, settings=replace(request.settings, provider=CPU.name))
    try:
        beside = _open_on(Candidate(CPU), alone, DeviceReport(CPU.name, CPU_PROVIDER))
    except BackendError as error:
        logger.info("%s keeps %s: it does not open on the CPU: %s", provider.name, request.file.path, error)
        return
    try:
        cpu_s = step_s(beside)
    finally:
        beside.close()
    if cpu_s < own_s:
        raise ModelError(f"a token takes {own_s:.2g} s on {provider.ep_name}, and {cpu_s:.2g} s on the CPU")


def _check_operators(provider: Provider, file: OnnxFile) -> None:
    """Decline a graph whose deciding operators the provider has no kernels for. Raises: ModelError."""
    if reason := why_not(file.needs, provider):
        raise ModelError(f"{file.path} cannot run on {provider.name}: {reason}")
