"""The doctor's report as text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from jan_ort.cli.doctor.devices.seen_device import DeviceTruth
from jan_ort.cli.doctor.report import BackendTruth, DoctorReport
from jan_ort.cli.text_table import text_table
from jan_ort.ground.shown_text import shown
from jan_ort_backends import DeviceReport
from jan_ort_backends.diagnosis import ProviderTruth
from jan_ort_backends.memory import MemoryNeed


def render(report: DoctorReport) -> str:
    """Return the whole report, its verdict last."""
    sections = [
        _machine(report),
        *map(_backend, report.backends),
        _devices(report),
        _models(report),
        _settings(report),
        _verdict(report),
    ]
    return "\n\n".join(section for section in sections if section)


def _machine(report: DoctorReport) -> str:
    place = report.platform
    memory = f", {_gigabytes(place.memory_bytes)}" if place.memory_bytes else ""
    rows = [*report.versions.items()]
    lines = [
        f"platform  {place.system}, {place.cpus} processors{memory}",
        f"python    {place.python}, {place.executable}",
    ]
    return f"{_joined(lines)}\n{text_table(('package', 'version'), rows)}"


def _backend(truth: BackendTruth) -> str:
    plugin = truth.plugin
    origin = " ".join(filter(None, (plugin.distribution, plugin.version))) or "registered in code"
    lines = [
        f"backend {plugin.name} ({origin}): {'usable' if plugin.usable else 'NOT usable'} {plugin.detail}".rstrip()
    ]
    if plugin.capabilities:
        lines.append(f"  can: {', '.join(plugin.capabilities)}")
    if plugin.reason:
        lines += [f"  reason: {plugin.reason}", f"  remedy: {plugin.remedy}"]
    if truth.error:
        lines.append(f"  its providers could not be examined: {truth.error}")
    for provider in truth.providers:
        lines += _provider(provider)
    for trace in (plugin.traceback, truth.traceback):
        lines += [f"  | {line}" for line in (trace or "").splitlines()]
    return _joined(lines)


def _provider(provider: ProviderTruth) -> Iterator[str]:
    state = "usable" if provider.usable else "registered, NOT usable" if provider.registered else "not there"
    yield f"  provider {provider.name}: {state}" + (f" ({provider.detail})" if provider.detail else "")
    if provider.remedy and not provider.usable:
        yield f"    remedy: {provider.remedy}"


def _devices(report: DoctorReport) -> str:
    if not report.devices:
        return "the operating system shows no GPU and no NPU"
    return _joined(line for device in report.devices for line in _seen_device(device))


def _seen_device(device: DeviceTruth) -> Iterator[str]:
    state = f"provider {device.provider} computes on it" if device.provider else f"NOT used: {device.reason}"
    yield f"{device.kind} {device.name} (driver {device.driver or 'none'}): {state}"
    if device.remedy:
        yield f"  remedy: {device.remedy}"


def _models(report: DoctorReport) -> str:
    lines = []
    if report.cache is not None:
        cache = report.cache
        held = f"{cache.num_models} models of {_gigabytes(cache.size_bytes)}, {_gigabytes(cache.free_bytes)} free"
        lines.append(f"cache {cache.path}: {held}{'' if cache.writable else ', NOT writable'}")
        lines += [f"  damaged, made again when it is needed: {damaged}" for damaged in cache.damaged]
    for model in report.models:
        backend = f", backend {model.backend}" if model.backend else ""
        lines.append(f"model {model.reference} ({model.task}): {model.state}{backend}")
        lines += [] if model.device is None else _device(model.device)
        lines += [] if model.memory is None else [f"  memory: {_memory(model.memory)}"]
    return _joined(lines)


def _memory(need: MemoryNeed) -> str:
    parts = (("weights", need.weights_bytes), ("KV cache", need.kv_cache_bytes), ("working", need.working_bytes))
    return f"{_gigabytes(need.total_bytes)} ({', '.join(f'{name} {size / 1e9:.1f}' for name, size in parts)})"


def _device(device: DeviceReport) -> Iterator[str]:
    nodes = ", ".join(f"{count} nodes on {name}" for name, count in device.nodes.items()) or "nodes are unknown"
    yield f"  asked for {device.requested}, runs on {device.used}: {nodes}"
    for name, reason in device.declined.items():
        yield f"  not on {name}: {reason}"


def _settings(report: DoctorReport) -> str:
    if not report.settings:
        return ""
    rows = [(setting.name, json.dumps(setting.value), setting.origin) for setting in report.settings]
    return text_table(("setting", "value", "from"), rows)


def _verdict(report: DoctorReport) -> str:
    if report.can_start:
        return "A server can start with these settings."
    lines = ["A server can NOT start with these settings:"]
    for problem in report.problems:
        lines.append(f"- {problem.message}")
        lines += [f"  remedy: {problem.remedy}"] if problem.remedy else []
    return _joined(lines)


def _joined(lines: Iterable[str]) -> str:
    """Return lines, each of which stays one whatever a model or a plugin is called."""
    return "\n".join(map(shown, lines))


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB"
