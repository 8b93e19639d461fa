"""A server that the kit starts itself, and starts again when a case has killed or hung it."""

from __future__ import annotations

import logging
import os
import shlex
import signal
import subprocess
import sys
import time

from jan_ort_conformance.http.server.target import Target

logger = logging.getLogger(__name__)

READY_S = 300.0
"""A server may have to load a large model first."""

_POLL_S = 0.1
_TERMINATE_S = 10.0


class ServerGone(Exception):
    """Raised when the server does not answer any more and could not be brought back."""


class ServerProcess:
    """The server behind ``target``; ``command`` starts it, None if somebody else does. Usable as a context."""

    def __init__(self, target: Target, command: str | None = None, *, patience_s: float = 15.0) -> None:
        self.target = target
        self.command = command
        self.patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self.num_restarts = 0

    def __enter__(self) -> ServerProcess:
        if self.command is not None:
            self._start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def recover(self, *, hung: bool = False) -> str:
        """Wait until the server answers again, after a restart if need be, and say how it came back.

        A server that ``hung`` may still be at work on the request, which the next case should not pay for: one that
        was started here is started again. Raises: ServerGone.
        """
        if (self.command is None or not hung) and self._waits_for_answer(self.patience_s):
            return "it answered again by itself"
        if self.command is None:
            raise ServerGone(f"{self.target.url} does not answer; with --server-cmd, it is restarted")
        self._stop()
        self._start()
        self.num_restarts += 1
        return "it was started again"

    def wait_until_ready(self) -> None:
        """Wait for a server that answers, but is still loading. Raises: ServerGone."""
        if not self._waits_for_answer(READY_S):
            raise ServerGone(f"{self.target.url} is still not ready after {READY_S:g} s; look at its log")

    def has_died(self) -> bool:
        """Whether the process that was started here has ended."""
        return self._process is not None and self._process.poll() is not None

    def _start(self) -> None:
        assert self.command is not None
        if self.target.answers():
            raise ServerGone(f"another server answers at {self.target.url}; end it, or leave --server-cmd out")
        logger.info("starting %s", self.command)
        try:
            self._process = subprocess.Popen(  # noqa: S603  (the user's own command)
                arguments_of(self.command),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise ServerGone(f"{self.command!r} cannot be started: {error}; correct --server-cmd") from error
        if not self._waits_for_answer(READY_S):
            ended = f"ended with status {self._process.returncode}" if self.has_died() else "does not answer"
            raise ServerGone(f"{self.command!r} {ended} ({self.target.url}: {self.target.silence()}); try it by hand")

    def _waits_for_answer(self, limit_s: float) -> bool:
        deadline = time.monotonic() + limit_s
        while not self.has_died():
            if self.target.is_ready():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_S)
        return False

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGTERM, getattr(signal, "SIGKILL", signal.SIGTERM)):  # Windows has no second
            _signal(process, number)
            try:
                process.wait(_TERMINATE_S)
            except subprocess.TimeoutExpired:
                continue
            return


def arguments_of(command: str, platform: str = sys.platform) -> list[str] | str:
    """Return what Popen starts: the command's words by POSIX rules, and on Windows the command as it is.

    There each program splits its own command line, and a backslash separates folders. Raises: ValueError.
    """
    return command if platform == "win32" else shlex.split(command)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the server's whole session: a command may be a shell or a launcher. Windows ends the process alone."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        logger.debug("process group %s has ended already", process.pid)
