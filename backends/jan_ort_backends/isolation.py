"""Calls into a plugin's code that come back whatever it does: raises, exits, answers nonsense or hangs (hop 6)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from jan_ort_backends.checks import check_session
from jan_ort_backends.errors import BackendError, ModelError
from jan_ort_backends.guarded_session import GuardedSession
from jan_ort_backends.interface import Accepts, Available, Backend, Declines, Missing, OpenOptions, Session

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LIMIT_S = 30.0
"""How long importing a plugin, its ``probe`` or its ``accepts`` may take; each should take milliseconds."""


class PluginHangs(Exception):
    """Raised when a plugin has not come back in time; its thread is left behind, as Python cannot end one."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"it has not come back after {limit_s:g} s")


def within(call: Callable[[], Result], limit_s: float = LIMIT_S) -> Result:
    """Return what ``call`` returns, called in a thread of its own.

    Raises: what it raises, SystemExit and the like included; PluginHangs.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="plugin", daemon=True).start()  # a daemon: it must not keep the process
    try:
        return outcome.result(limit_s)
    except TimeoutError:
        if outcome.done():
            raise  # the plugin's own
        raise PluginHangs(limit_s) from None


def ask_probe(backend: Backend, limit_s: float = LIMIT_S) -> Available | Missing:
    """Return the backend's answer; one that fails or is none becomes Missing with the reason."""
    remedy = f"repair or uninstall the plugin of backend {backend.name!r}, or exclude it by the deny list"
    try:
        answer: object = within(backend.probe, limit_s)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin that calls sys.exit() must not end the server either
        logger.warning("the probe of backend %s failed", backend.name, exc_info=error)
        return Missing(f"its probe failed: {one_line(error)}", remedy)
    if isinstance(answer, Available | Missing):
        return answer
    return Missing(f"its probe returned {answer!r:.80}, which is neither Available nor Missing", remedy)


def ask_accepts(backend: Backend, model_dir: Path, limit_s: float = LIMIT_S) -> Accepts | Declines:
    """Return the backend's answer; one that fails or is none becomes Declines with the reason."""
    try:
        answer: object = within(lambda: backend.accepts(model_dir), limit_s)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        logger.warning("backend %s failed when asked for %s", backend.name, model_dir, exc_info=error)
        return Declines(f"it failed when asked: {one_line(error)}")
    if isinstance(answer, Accepts | Declines):
        return answer
    return Declines(f"it answered {answer!r:.80}, which is neither Accepts nor Declines")


def open_session(backend: Backend, model_dir: Path, options: OpenOptions) -> Session:
    """Open a session that keeps what its backend declares, and that checks and guards every later call.

    There is no time limit: a large model takes minutes. Raises: BackendError and its kinds, and nothing else.
    """
    try:
        session = backend.open(model_dir, options)
    except (KeyboardInterrupt, BackendError):
        raise
    except MemoryError as error:
        raise ModelError(
            f"backend {backend.name!r} has no memory for {model_dir}; free some, or ask for less"
        ) from error
    except BaseException as error:
        logger.error("backend %s failed to open %s", backend.name, model_dir, exc_info=error)
        raise ModelError(f"backend {backend.name!r} failed to open {model_dir}: {one_line(error)}") from error
    try:
        check_session(backend, session)
    except BaseException:
        if isinstance(session, Session):
            GuardedSession(backend.name, session).close()
        raise
    return GuardedSession(backend.name, session)


def one_line(error: BaseException) -> str:
    """Return an error's type and message without line breaks."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
