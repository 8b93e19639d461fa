"""Calls into a plugin's code that come back whatever it does: raises, exits, answers nonsense or hangs (hop 6)."""

from __future__ import annotations

import logging
import shlex
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from jan_ort_backends.checks import check_session
from jan_ort_backends.errors import BackendError, ModelError
from jan_ort_backends.failure_text import message_line, one_line, plain
from jan_ort_backends.guarded_session import GuardedSession, close_session
from jan_ort_backends.interface import Accepts, Available, Backend, Declines, Missing, OpenOptions, Session
from jan_ort_backends.interrupts import is_ctrl_c
from jan_ort_backends.session_info import check_session_info
from jan_ort_backends.sound_errors import sound_error

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Yes = TypeVar("Yes", Available, Accepts)
No = TypeVar("No", Missing, Declines)

LIMIT_S = 30.0
"""How long importing a plugin, its ``probe`` or its ``accepts`` may take; each should take milliseconds."""


class PluginFault(Exception):
    """Raised when a plugin breaks the contract without raising anything; the message is for the plugin's author."""


class PluginHangs(PluginFault):
    """Raised when a plugin has not come back in time; its thread is left behind, as Python cannot end one."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"it has not come back after {limit_s:g} s")


class PluginInterrupts(PluginFault):
    """Raised when a plugin raised KeyboardInterrupt itself, which would be taken for the user's Ctrl-C."""

    def __init__(self, cause: KeyboardInterrupt) -> None:
        super().__init__("it raised KeyboardInterrupt")
        self.__cause__ = cause


class InvalidAnswer(PluginFault):
    """Raised when a plugin's method returned what the interface does not know."""


def within(call: Callable[[], Result], limit_s: float = LIMIT_S) -> Result:
    """Return what ``call`` returns, called in a thread of its own; the user's Ctrl-C ends the waiting.

    Raises: what it raises, SystemExit and the like included, but PluginInterrupts for KeyboardInterrupt; PluginHangs.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except KeyboardInterrupt as error:  # not the user's: that one arrives in the main thread
            outcome.set_exception(PluginInterrupts(error))
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=run, name="plugin", daemon=True).start()  # a daemon: it must not keep the process
    try:
        return outcome.result(limit_s)
    except TimeoutError:
        if outcome.done():
            raise  # the plugin's own
        raise PluginHangs(limit_s) from None


def probe(backend: Backend, limit_s: float = LIMIT_S) -> Available | Missing:
    """Return the backend's answer. Raises: what its ``probe`` raises, SystemExit and the like included; PluginFault."""
    logger.debug("backend %s: probe", backend.name)  # the last line in the log if the plugin ends the process
    return within(lambda: _checked(backend.probe(), Available, Missing), limit_s)


def how_to_deny(name: str) -> str:
    """Return how a user keeps a backend from being imported, as a part of a remedy."""
    return f"exclude it with --deny-backend {shlex.quote(name)}"


def why_probe_failed(error: BaseException) -> str:
    """Return what ``probe`` raised as a reason, in one line."""
    return f"its probe failed: {reason_of(error)}"


def ask_probe(backend: Backend, limit_s: float = LIMIT_S) -> Available | Missing:
    """Return the backend's answer; one that fails or is none becomes Missing with the reason."""
    try:
        return probe(backend, limit_s)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a plugin that calls sys.exit() must not end the server either
        logger.warning("the probe of backend %s failed", backend.name, exc_info=error)
        remedy = f"repair or uninstall the plugin of backend {backend.name!r}, or {how_to_deny(backend.name)}"
        return Missing(why_probe_failed(error), remedy)


def ask_accepts(backend: Backend, model_dir: Path, limit_s: float = LIMIT_S) -> Accepts | Declines:
    """Return the backend's answer; one that fails or is none becomes Declines with the reason."""
    try:
        return within(lambda: _checked(backend.accepts(model_dir), Accepts, Declines), limit_s)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if model_dir.is_file():  # the contract lets it expect a folder, and list that
            logger.debug("backend %s does not take the file %s: %s", backend.name, model_dir, reason_of(error))
        else:
            logger.warning("backend %s failed when asked for %s", backend.name, model_dir, exc_info=error)
        return Declines(f"it failed when asked: {reason_of(error)}")


def open_session(backend: Backend, model_dir: Path, options: OpenOptions) -> Session:
    """Open a session that keeps what its backend declares, and that checks and guards every later call.

    There is no time limit: a large model takes minutes. Raises: BackendError and its kinds, and nothing else.
    """
    try:
        session = backend.open(model_dir, options)
    except BackendError as error:
        raise sound_error(error) from error
    except MemoryError as error:
        raise ModelError(
            f"backend {backend.name!r} has no memory for {model_dir}; free some, or ask for less"
        ) from error
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        logger.error("backend %s failed to open %s", backend.name, model_dir, exc_info=error)
        raise ModelError(f"backend {backend.name!r} failed to open {model_dir}: {one_line(error)}") from error
    try:
        return _checked_session(backend, session)
    except BaseException:
        if isinstance(session, Session):
            close_session(backend.name, session)
        raise


def _checked_session(backend: Backend, session: Session) -> Session:
    """Return a session that is what its backend declares, guarded. Raises: BackendError."""
    try:
        if isinstance(session, Session):
            info = check_session_info(backend, session)
            check_session(backend, session)
            return GuardedSession(backend.name, session, info, backend.capabilities)
        check_session(backend, session)
        raise AssertionError("what is no session is refused")
    except BackendError as error:
        raise sound_error(error) from error
    except BaseException as error:  # ``info`` may be the plugin's code
        if is_ctrl_c(error):
            raise
        logger.error("a session of backend %s cannot be checked", backend.name, exc_info=error)
        raise BackendError(f"a session of backend {backend.name!r} cannot be checked: {one_line(error)}") from error


def _checked(answer: object, yes: type[Yes], no: type[No]) -> Yes | No:
    """Return a copy of an answer that is one of two kinds, and whose fields are texts. Raises: InvalidAnswer."""
    if not isinstance(answer, yes | no):
        raise InvalidAnswer(f"it returned {answer!r:.80}, which is neither {yes.__name__} nor {no.__name__}")
    kind = yes if isinstance(answer, yes) else no
    texts = {}
    for field in fields(kind):
        text = getattr(answer, field.name)
        if not isinstance(text, str):
            raise InvalidAnswer(f"it returned {answer!r:.80}, whose {field.name} is no text")
        texts[field.name] = plain(text)
    return kind(**texts)


def reason_of(error: BaseException) -> str:
    """Return why a plugin was given up, in one line: what it raised, or what it did against the contract."""
    return message_line(error) if isinstance(error, PluginFault) else one_line(error)
