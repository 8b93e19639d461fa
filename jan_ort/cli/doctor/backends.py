"""What each installed backend says of itself and of its execution providers; none can end or hold up the doctor."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort.cli.doctor.report import BackendTruth
from jan_ort.plugins.asking import DIAGNOSIS_LIMIT_S, LIMIT_S, diagnose_providers
from jan_ort.plugins.report import report_backend
from jan_ort_backends import Discovered
from jan_ort_backends.failure_text import reason_of, trace


def examine(
    discovered: Sequence[Discovered], *, probe_limit_s: float = LIMIT_S, diagnosis_limit_s: float = DIAGNOSIS_LIMIT_S
) -> tuple[BackendTruth, ...]:
    """Return the truth about each plugin, broken or not; one that takes longer than a limit is broken."""
    return tuple(_examine(each, probe_limit_s, diagnosis_limit_s) for each in discovered)


def _examine(found: Discovered, probe_limit_s: float, diagnosis_limit_s: float) -> BackendTruth:
    plugin = report_backend(found, probe_limit_s)
    if not plugin.usable or found.backend is None:
        return BackendTruth(plugin)
    try:
        return BackendTruth(plugin, diagnose_providers(found.backend, diagnosis_limit_s))
    except Exception as error:
        return BackendTruth(plugin, error=reason_of(error), traceback=trace(error))
