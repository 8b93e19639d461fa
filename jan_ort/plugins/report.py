"""What can be said of each backend plugin, usable or not; none can end or hold up who asks."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.plugins.asking import LIMIT_S, probe, why_probe_failed
from jan_ort_backends import Discovered, Missing
from jan_ort_backends.failure_text import trace
from jan_ort_backends.registry import how_to_deny


@dataclass(frozen=True, slots=True)
class BackendReport:
    """One plugin as a script reads it; ``reason``, ``remedy`` and ``traceback`` are set where it is not usable."""

    name: str
    distribution: str
    version: str
    usable: bool
    capabilities: list[str]
    detail: str = ""
    reason: str | None = None
    remedy: str | None = None
    traceback: str | None = None


def report_backend(found: Discovered, limit_s: float = LIMIT_S) -> BackendReport:
    """Return what can be said of a plugin; one whose probe fails or takes longer than ``limit_s`` is not usable."""
    backend = found.backend
    identity = (found.name, found.distribution, found.version)
    if backend is None:
        return BackendReport(*identity, False, [], reason=found.error, remedy=found.remedy, traceback=found.traceback)
    capabilities = sorted(str(capability) for capability in backend.capabilities)
    try:
        answer = probe(backend, limit_s)
    except Exception as error:
        remedy = f"repair or uninstall {found.distribution or found.name}, or {how_to_deny(found.name)}"
        reason = why_probe_failed(error)
        return BackendReport(*identity, False, capabilities, reason=reason, remedy=remedy, traceback=trace(error))
    if isinstance(answer, Missing):
        return BackendReport(*identity, False, capabilities, reason=answer.reason, remedy=answer.remedy)
    return BackendReport(*identity, True, capabilities, detail=answer.detail)
