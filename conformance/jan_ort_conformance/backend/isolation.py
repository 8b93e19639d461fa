"""Judge a case in a child process with a time limit, so that a backend that exits, hangs or crashes fails it alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from jan_ort_conformance.backend.registry import Check
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.results import Case, Level, Verdict

STDERR_TAIL_CHARACTERS = 2000


def judge_in_child(check: Check, subject: Subject, time_limit_s: float) -> Case:
    """Return the case that a child process makes of the check, or a FAIL that says how the child ended.

    The subject needs a ``target``, by which the child loads the backend anew. Raises: ValueError if it has none.
    """
    if not subject.target:
        raise ValueError("a backend given as an object cannot be judged in a child process; use Subject.load(target)")
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="jan-ort-kit-") as folder:
        answer, stderr = Path(folder) / "answer.json", Path(folder) / "stderr"
        command = [sys.executable, "-m", "jan_ort_conformance.backend.child", subject.to_json(), check.id]
        command += [str(answer), str(time.time() + 0.9 * time_limit_s)]
        ended = run_limited(command, stderr, time_limit_s)
        if answer.exists() and ended == "exit status 0":
            return replace(_case(answer), duration_s=time.perf_counter() - started)  # with the child's start
        text = stderr.read_text(encoding="utf-8", errors="replace").strip()[-STDERR_TAIL_CHARACTERS:]
        told = f"the backend ended its process: {ended}" if "s;" not in ended else ended
        if answer.exists():
            told = f"after the check, while leaving, {told}"
    detail = f"{told}\npromised: {check.promise}\n{text}".strip()
    return Case(
        check.id,
        Verdict.FAIL,
        check.level,
        detail,
        subject.repeat(check.id, check.level),
        time.perf_counter() - started,
    )


def child_environment() -> dict[str, str]:
    """Return our environment with our import path, so that a child finds the backend where we found it."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def run_limited(command: list[str], stderr: Path, time_limit_s: float) -> str:
    """Run the command and say how it ended; output goes to a file, which no grandchild can keep from us."""
    with stderr.open("wb") as sink:
        child = subprocess.Popen(  # noqa: S603  (this interpreter, our own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=child_environment(),
            start_new_session=True,
        )
        try:
            status = child.wait(time_limit_s)
        except subprocess.TimeoutExpired:
            return f"it did not end within {time_limit_s:g} s; it was stopped"
        finally:
            _kill(child)
    return f"exit status {status}" if status >= 0 else f"signal {_signal_name(-status)}"


def _kill(child: subprocess.Popen[bytes]) -> None:
    """End the child, and where process groups exist whatever it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone; macOS says so by EPERM
            os.killpg(child.pid, signal.SIGKILL)
    else:
        child.kill()
    child.wait()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _case(answer: Path) -> Case:
    fields = json.loads(answer.read_text(encoding="utf-8"))
    return Case(**fields | {"verdict": Verdict(fields["verdict"]), "level": Level(fields["level"])})
