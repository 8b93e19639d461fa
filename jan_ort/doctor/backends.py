"""What each installed backend says of itself and of its execution providers; none can end the doctor."""

from __future__ import annotations

import traceback
from collections.abc import Sequence

from jan_ort.commands.backends import report
from jan_ort.doctor.report import BackendTruth
from jan_ort_backends import Discovered
from jan_ort_backends.diagnosis import diagnose_providers


def examine(discovered: Sequence[Discovered]) -> tuple[BackendTruth, ...]:
    """Return the truth about each plugin, broken or not."""
    return tuple(_examine(each) for each in discovered)


def _examine(found: Discovered) -> BackendTruth:
    plugin = report(found)
    if not plugin.usable or found.backend is None:
        return BackendTruth(plugin)
    try:
        return BackendTruth(plugin, diagnose_providers(found.backend))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin may even call sys.exit(); the doctor goes on
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        return BackendTruth(plugin, error=reason, traceback=traceback.format_exc())
