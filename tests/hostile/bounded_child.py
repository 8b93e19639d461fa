"""A process that reads hostile files one after the other, measured and ended from outside if it takes too much.

Its processor time is what counts, so a busy machine fails nothing; a file that hangs it is a failed test.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from queue import Empty, Queue
from types import TracebackType
from typing import IO, Any, Self

import psutil

MAX_CPU_S = 1.0
MAX_RSS_BYTES = 200 * 2**20
_HANGS_AFTER_CPU_S = 5.0
_HANGS_AFTER_S = 60.0  # for what waits and computes nothing, as the reader of a pipe does
_STARTS_AFTER_S = 240.0  # as an interpreter may under Wine, on a busy machine
_LOOK_EVERY_S = 0.005


@dataclass(frozen=True)
class Outcome:
    """What became of one file: the error's class and message ("" if there was none), and what reading it took."""

    error: str
    message: str
    cpu_s: float
    rss_bytes: int

    def check_bounds(self) -> None:
        """Raise AssertionError unless it took little."""
        assert self.cpu_s <= MAX_CPU_S, f"{self.cpu_s:.2f} s of processor time; it said: {self.message}"
        assert self.rss_bytes <= MAX_RSS_BYTES, f"{self.rss_bytes / 2**20:.0f} MiB; it said: {self.message}"


class BoundedChild:
    """A context manager around the process; ``ask`` starts another one after one that had to be ended."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._lines: Queue[str] = Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def ask(self, action: str, **arguments: Any) -> Outcome:
        """Return what became of an action of ``hostile_actions``."""
        child = self._started()
        process = psutil.Process(child.pid)
        before, begun = _cpu_s(process), time.monotonic()
        base = peak = process.memory_info().rss
        assert child.stdin is not None
        child.stdin.write(json.dumps({"action": action, **arguments}) + "\n")
        child.stdin.flush()
        while True:
            try:
                answer: dict[str, str] = json.loads(self._lines.get(timeout=_LOOK_EVERY_S))
                return Outcome(answer["error"], answer["message"], _cpu_s(process) - before, peak - base)
            except Empty:
                if child.poll() is not None:
                    return Outcome("Crash", f"it ended with {child.returncode}", 0.0, peak - base)
                peak = max(peak, process.memory_info().rss)
            spent = _cpu_s(process) - before
            if (
                spent > _HANGS_AFTER_CPU_S
                or peak - base > 4 * MAX_RSS_BYTES
                or time.monotonic() - begun > _HANGS_AFTER_S
            ):
                self._end()
                return Outcome("Hang", "it was ended", max(spent, MAX_CPU_S * 2), peak - base)

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            self._lines = Queue()
            self._child = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.hostile.hostile_actions"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._child.stdout is not None
            threading.Thread(target=_read, args=(self._child.stdout, self._lines), daemon=True).start()
            assert self._lines.get(timeout=_STARTS_AFTER_S) == "ready\n"
        return self._child

    def _end(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for stream in (self._child.stdin, self._child.stdout):
                assert stream is not None
                stream.close()
            self._child = None


def _read(stream: IO[str], lines: Queue[str]) -> None:
    try:
        for line in stream:
            lines.put(line)
    except ValueError:
        return  # the stream is closed, and so is the process


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
