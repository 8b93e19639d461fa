"""What can be said of each backend plugin, usable or not; none can end or hold up who asks."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from jan_ort.plugins.asking import LIMIT_S, checked, within
from jan_ort_backends import Available, Discovered, Missing
from jan_ort_backends.failure_text import reason_of, trace

logger = logging.getLogger(__name__)


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
    name, backend = found.name, found.backend
    report = BackendReport(name, found.distribution, found.version, False, [])
    if backend is None:
        return replace(report, reason=found.error, remedy=found.remedy, traceback=found.traceback)
    report = replace(report, capabilities=sorted(map(str, backend.capabilities)))
    logger.debug("backend %s: probe", name)  # the last line in the log if the plugin ends the process
    try:
        answer = within(lambda: checked("its answer", backend.probe(), Available, Missing), limit_s)
    except Exception as error:
        reason = f"its probe failed: {reason_of(error)}"
        logger.warning("backend %s is skipped: %s", name, reason)
        return replace(report, reason=reason, remedy=found.mend, traceback=trace(error))
    if isinstance(answer, Missing):
        return replace(report, reason=answer.reason, remedy=answer.remedy)
    return replace(report, usable=True, detail=answer.detail)
