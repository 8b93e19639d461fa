"""An agent of launchd for the user of a Mac."""

from __future__ import annotations

import os
import plistlib
import sys
from pathlib import Path

from jan_ort.cli.service.plan import ServedAs, ServiceError, ServiceFile, ServicePlan, command


def plan_launchd(served: ServedAs, executable: str = sys.executable) -> ServicePlan:
    """Return the plan. Raises: ServiceError."""
    if served.with_socket:
        raise ServiceError("--socket is for systemd; a Mac's service opens its port itself")
    if served.is_system:
        raise ServiceError("--system is not for a Mac, where the server would be root; it runs as you do without")
    library = Path.home() / "Library"
    path = library / "LaunchAgents" / f"{served.name}.plist"
    domain = f"gui/{os.getuid() if sys.platform != 'win32' else 0}"
    out = command("launchctl", "bootout", f"{domain}/{served.name}", may_fail=True)
    return ServicePlan(
        files=(ServiceFile(path, _plist(served, executable, library / "Logs" / f"{served.name}.log")),),
        start=(out, command("launchctl", "bootstrap", domain, str(path))),
        stop=(out,),
        forget=(),
        status=command("launchctl", "print", f"{domain}/{served.name}", may_fail=True),
        note="It runs while you are logged in.",
    )


def _plist(served: ServedAs, executable: str, log: Path) -> str:
    keys: dict[str, object] = {
        "Label": served.name,
        "ProgramArguments": served.command(executable),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": served.stop_s,
        "StandardErrorPath": str(log),
        "StandardOutPath": str(log),
    }
    return plistlib.dumps(keys).decode()
