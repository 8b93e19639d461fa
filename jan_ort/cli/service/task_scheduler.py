"""A task of Windows' scheduler, which needs no package and, for the user's own, no rights of an administrator.

A service in Windows' own sense must answer the service manager while it starts and stops, which takes pywin32 and an
administrator. What the scheduler lacks is a gentle end: it ends the process at once, and running requests with it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

from platformdirs import user_data_path

from jan_ort.cli.service.plan import DESCRIPTION, ServedAs, ServiceError, ServiceFile, ServicePlan, command

_LOCAL_SERVICE = "S-1-5-19"
"""Windows' user without rights."""


def plan_task(served: ServedAs, executable: str = sys.executable) -> ServicePlan:
    """Return the plan. Raises: ServiceError."""
    if served.with_socket:
        raise ServiceError("--socket is for systemd; on Windows the server opens its port itself")
    path = user_data_path("jan-ort", appauthor=False) / f"{served.name}.xml"
    task = ("/TN", served.name)
    return ServicePlan(
        files=(ServiceFile(path, _task(served, executable), "utf-16"),),
        start=(
            command("schtasks", "/End", *task, may_fail=True),
            command("schtasks", "/Create", "/F", *task, "/XML", str(path)),
            command("schtasks", "/Run", *task),
        ),
        stop=(
            command("schtasks", "/End", *task, may_fail=True),
            command("schtasks", "/Delete", "/F", *task, may_fail=True),
        ),
        forget=(),
        status=command("schtasks", "/Query", *task, "/V", "/FO", "LIST", may_fail=True),
        note="" if served.is_system else "It runs while you are logged on.",
    )


def _task(served: ServedAs, executable: str) -> str:
    # Without a console, which would be a window.
    windowless = Path(executable).with_name("pythonw.exe")
    program, *words = served.command(str(windowless) if windowless.is_file() else executable)
    user = f"{os.environ.get('USERDOMAIN', '.')}\\{os.environ.get('USERNAME', '')}"
    who = f"<UserId>{_LOCAL_SERVICE if served.is_system else escape(user)}</UserId>"
    trigger = "<BootTrigger />" if served.is_system else f"<LogonTrigger>{who}</LogonTrigger>"
    logon = "" if served.is_system else "<LogonType>InteractiveToken</LogonType>"
    return f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>{escape(DESCRIPTION)}</Description></RegistrationInfo>
  <Triggers>{trigger}</Triggers>
  <Principals><Principal id="Author">{who}{logon}<RunLevel>LeastPrivilege</RunLevel></Principal></Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>255</Count></RestartOnFailure>
    <Priority>5</Priority>
  </Settings>
  <Actions Context="Author">
    <Exec><Command>{escape(program)}</Command><Arguments>{escape(subprocess.list2cmdline(words))}</Arguments></Exec>
  </Actions>
</Task>
"""
