"""A plan for this system, and what carries it out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from jan_ort.cli.service.launchd import plan_launchd
from jan_ort.cli.service.plan import Command, ServedAs, ServiceError, ServicePlan
from jan_ort.cli.service.systemd import plan_systemd
from jan_ort.cli.service.task_scheduler import plan_task

SYSTEMS: Mapping[str, Callable[[ServedAs], ServicePlan]] = {
    "linux": plan_systemd,
    "darwin": plan_launchd,
    "win32": plan_task,
}

_COMMAND_S = 120.0


def plan_here(served: ServedAs) -> ServicePlan:
    """Return the plan for this system. Raises: ServiceError."""
    if sys.platform not in SYSTEMS:
        raise ServiceError(f"there is no service for {sys.platform}; run 'jan-ort serve' by what starts programs there")
    return SYSTEMS[sys.platform](served)


def described(plan: ServicePlan, commands: Iterable[Command], *, with_files: bool) -> str:
    """Return what would be written and run, as text."""
    files = [f"# {file.path}\n{file.text}" for file in plan.files] if with_files else []
    removed = [] if with_files else [f"# removed: {file.path}" for file in plan.files]
    return "\n".join([*files, *removed, *(f"# run: {each.line}" for each in commands)])


def install(plan: ServicePlan) -> None:
    """Write the files and start the service. Raises: ServiceError, OSError."""
    _check_program(plan.status)
    for file in plan.files:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.write_text(file.text, file.encoding)
    _run_all(plan.start)


def uninstall(plan: ServicePlan) -> None:
    """Stop the service and remove its files. Raises: ServiceError, OSError."""
    there = [file.path for file in plan.files if file.path.exists()]
    if not there:
        raise ServiceError(f"there is no such service: {plan.files[0].path} does not exist")
    _run_all(plan.stop)
    for path in there:
        path.unlink()
    _run_all(plan.forget)


def status(plan: ServicePlan) -> tuple[int, str]:
    """Return the exit status of the system's own command and what it says. Raises: ServiceError."""
    result = _run(plan.status)
    return result.returncode, (result.stdout + result.stderr).rstrip()


def _run_all(commands: Iterable[Command]) -> None:
    for each in commands:
        result = _run(each)
        if result.returncode and not each.may_fail:
            said = " ".join((result.stderr or result.stdout).split())
            raise ServiceError(f"'{each.line}' failed with status {result.returncode}: {said}")


def _run(command: Command) -> subprocess.CompletedProcess[str]:
    program = _check_program(command)
    try:
        return subprocess.run(  # noqa: S603
            [program, *command.argv[1:]],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_COMMAND_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"'{command.line}' does not end; run it in a terminal to see why") from error


def _check_program(command: Command) -> str:
    found = shutil.which(command.argv[0])
    if found is None:
        raise ServiceError(
            f"there is no {command.argv[0]!r} here; --dry-run shows what would be written and run with it"
        )
    return found
