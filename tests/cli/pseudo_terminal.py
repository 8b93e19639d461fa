"""A program on a real pseudo-terminal: what it shows, and keys for it. POSIX only."""

from __future__ import annotations

import codecs
import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tests.e2e.server_process import environment

_CURSOR_ASKED, _CURSOR_TOLD = b"\x1b[6n", b"\x1b[1;1R"
_STEERING = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>]")


class PseudoTerminal:
    """Runs ``command`` on a terminal of ``columns``; ``shown`` is all that it has written."""

    def __init__(self, command: Sequence[str], columns: int = 80, **variables: str) -> None:
        self.shown = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        env = environment(TERM="xterm-256color", **variables)
        for size in ("COLUMNS", "LINES"):  # pytest-xdist sets one, which would win over the terminal's own
            env.pop(size, None)
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)

    def type(self, keys: str) -> None:
        """Send keys."""
        os.write(self._master, keys.encode())

    def wait_for(self, text: str, timeout_s: float = 60) -> str:
        """Return what was shown since the last call, once ``text`` is in it, without what steers the terminal."""
        begin, deadline = len(self.shown), time.monotonic() + timeout_s
        while text not in (plain := without_steering(self.shown[begin:])):
            assert time.monotonic() < deadline, f"no {text!r} in {plain!r}"
            self._read()
        return plain

    def end(self, timeout_s: float = 60) -> int:
        """Return the exit status once the program has ended."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read()
        return self.process.returncode

    def _read(self) -> None:
        if not select.select([self._master], [], [], 0.1)[0]:
            return
        try:
            content = os.read(self._master, 65536)
        except OSError:  # Linux: nobody has it open any more
            return
        if _CURSOR_ASKED in content:
            os.write(self._master, _CURSOR_TOLD)
        self.shown += self._decoder.decode(content)


def without_steering(text: str) -> str:
    return _STEERING.sub("", text)
