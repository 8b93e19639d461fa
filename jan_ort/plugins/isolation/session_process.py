"""The parent's side: starts a process for a session, asks it, and tells how it ended (hop 6)."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from typing import Any

from jan_ort.ground.process_group import APART
from jan_ort.plugins.isolation.array_window import ArrayWindow, new_memory
from jan_ort.plugins.isolation.error_crossing import raised_error
from jan_ort_backends import BackendError, DeviceLost

logger = logging.getLogger(__name__)

CLOSE_S = 2.0
"""How long a session may take to free its model, and then its process to end; one that hangs is ended."""

_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; from jan_ort.plugins.isolation.session_host import host; host({handle!r})"
)


class ProcessEnded(DeviceLost):
    """Raised when the process of a session has ended, by itself or by another; a new one can be started."""

    def __init__(self, message: str) -> None:
        super().__init__(message, recoverable=True)


class SessionProcess:
    """The process of one session of the backend ``name``.

    ``close`` is for one thread at a time, the others for any: who asks waits until others are answered. It ends with
    this object, and with this process, however that ends.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._asking = threading.Lock()
        self._sending = threading.Lock()
        self._num_interrupts = 0
        self._is_killed = False
        handle = new_memory()
        try:
            self.window = ArrayWindow(handle)
            self._process = _start(handle)
        finally:
            if isinstance(handle, int):
                os.close(handle)  # the window keeps its own
        self._killing = weakref.finalize(self, _kill, self._process)  # also when this process ends

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, method: str, *arguments: object) -> Any:
        """Return what the session's ``method`` does. Raises: ProcessEnded; what the session raises, in its kind."""
        assert self._process.stdout is not None
        try:
            with self._asking:
                with self._sending:
                    self._send(method, arguments)
                told, result = pickle.load(self._process.stdout)  # noqa: S301  (a process is as trusted as its plugin)
        except BaseException as error:  # of half an answer, too: nothing after it can be understood
            if not isinstance(error, Exception):
                self.kill()
                raise
            raise ProcessEnded(f"the process of backend {self._name!r} {self._how_it_ended()}") from error
        if told is None:
            return result
        raised = raised_error(told)
        if isinstance(raised, DeviceLost):
            raised.recoverable = True  # what is broken for that process is not so for the next
        raise raised

    def loss(self) -> ProcessEnded | None:
        """Return what ``ask`` would raise because the process has ended, None while it is there."""
        if self._process.poll() is None:
            return None
        return ProcessEnded(f"the process of backend {self._name!r} {self._how_it_ended()}")

    def interrupt(self) -> None:
        """End the running step. Never waits: an interrupt that the child has not heard yet is not repeated."""
        if self._num_interrupts == self.window.num_heard[0] and self._sending.acquire(blocking=False):
            try:
                self._num_interrupts += 1
                self._send("interrupt", ())
            except (OSError, ValueError):
                logger.debug("the process of backend %s has ended", self._name)
            finally:
                self._sending.release()

    def kill(self) -> bool:
        """End the process at once, and return whether it was there; a call that is running raises ProcessEnded."""
        if self._process.poll() is not None:
            return False
        self._is_killed = True
        self._process.kill()
        return True

    def close(self) -> None:
        """Free the model, which may take ``CLOSE_S``, and end the process. May be called twice."""
        late = threading.Timer(CLOSE_S, self.kill)
        late.daemon = True
        late.start()
        try:
            if self._process.poll() is None:
                self.ask("close")
        except BackendError as error:
            logger.warning("a session of backend %s was not closed properly: %s", self._name, error)
        finally:
            late.cancel()
            self.end()

    def end(self) -> None:
        """Let go of the process: it ends at once, and by force if it hangs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):  # what was to be sent to a process that has ended
            self._process.stdin.close()
        self._wait()
        self._process.stdout.close()

    def _wait(self) -> int:
        """Return the status of the process, which has closed its pipe or lost ours."""
        try:
            return self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.wait()

    def _send(self, method: str, arguments: tuple[object, ...]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(pickle.dumps((method, arguments), protocol=5))
        self._process.stdin.flush()

    def _how_it_ended(self) -> str:
        status = self._wait()
        if self._is_killed:
            return "did not return, and was ended"
        if status >= 0:
            return f"ended with status {status}" + (f" ({status:#x})" if status > 255 else "")
        name = next((each.name for each in signal.Signals if each == -status), str(-status))
        why = ": the system ended it, perhaps for lack of memory" if name == "SIGKILL" else ""
        return f"was ended by signal {name}{why}"


def _start(handle: int | str) -> subprocess.Popen[bytes]:
    program = _PROGRAM.format(path=[str(each) for each in sys.path], handle=str(handle))
    return subprocess.Popen(  # noqa: S603  (our own program)
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(handle,) if isinstance(handle, int) else (),
        **APART,  # our requests may end first
    )


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
