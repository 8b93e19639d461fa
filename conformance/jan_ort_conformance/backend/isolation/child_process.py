"""Run a backend's code in a child process with a time limit, so that whatever it does there harms nothing here."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

STDERR_TAIL_CHARACTERS = 2000
GRACE_S = 2.0
"""How long a child that has answered may take to end; threads and exit handlers of a plugin may never do."""
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class ChildEnd:
    """How a child process ended: its exit status, None if it was stopped; and what it answered before, None if nothing.

    The answer comes in a file of its own: a plugin prints what it likes. ``stderr`` is the end of all that was printed.
    """

    answer: str | None
    status: int | None
    stderr: str
    time_limit_s: float

    @property
    def is_late(self) -> bool:
        """Whether it was stopped without having answered."""
        return self.status is None and self.answer is None

    @property
    def is_held(self) -> bool:
        """Whether it answered and did not end by itself, as with a thread of a plugin that goes on."""
        return self.status is None and self.answer is not None

    @property
    def is_clean(self) -> bool:
        """Whether it answered, and then did not crash."""
        return self.answer is not None and not self.status

    @property
    def told(self) -> str:
        """How it ended, in words."""
        if self.status is None:
            return f"it did not end within {self.time_limit_s:g} s; it was stopped"
        return f"exit status {self.status}" if self.status >= 0 else f"signal {_signal_name(-self.status)}"

    @property
    def last_line(self) -> str:
        """The last line that it printed, as the end of a message, or nothing."""
        return f": {self.stderr.splitlines()[-1].strip()}" if self.stderr else ""


def ask_child(program: Sequence[str], arguments: Sequence[str], time_limit_s: float) -> ChildEnd:
    """Run this interpreter's ``program`` ("-m", "module") with the path to answer at and the arguments."""
    with tempfile.TemporaryDirectory(prefix="jan-ort-kit-") as folder:
        answer, printed = Path(folder) / "answer", Path(folder) / "printed"
        status = _run_limited([sys.executable, *program, str(answer), *arguments], answer, printed, time_limit_s)
        text = answer.read_text(encoding="utf-8") if answer.exists() else None
        tail = printed.read_text(encoding="utf-8", errors="replace").strip()[-STDERR_TAIL_CHARACTERS:]
    return ChildEnd(text, status, tail, time_limit_s)


def write_answer(path: str, answer: str) -> None:
    """Answer the parent, all at once: it may look at any moment."""
    part = Path(f"{path}.part")
    part.write_text(answer, encoding="utf-8")
    part.replace(path)


def _child_environment() -> dict[str, str]:
    """Return our environment with our import path, so that a child finds the backend where we found it."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def _run_limited(command: list[str], answer: Path, printed: Path, time_limit_s: float) -> int | None:
    """Run the command and return its exit status, None if it was stopped; what it prints goes to a file.

    A file no grandchild can keep from us, as it could a pipe.
    """
    with printed.open("wb") as sink:
        child = subprocess.Popen(  # noqa: S603  (this interpreter, our own module)
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_child_environment(),
            start_new_session=True,
        )
        try:
            return _wait(child, answer, time_limit_s)
        finally:
            _kill(child)


def _wait(child: subprocess.Popen[bytes], answer: Path, time_limit_s: float) -> int | None:
    """Return the exit status; None if it is still there at the limit, or some time after its answer."""
    ends_at, has_answered = time.monotonic() + time_limit_s, False
    while (left_s := ends_at - time.monotonic()) > 0:
        try:
            return child.wait(min(left_s, POLL_S))
        except subprocess.TimeoutExpired:
            if not has_answered and answer.exists():
                has_answered, ends_at = True, time.monotonic() + GRACE_S
    return None


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
