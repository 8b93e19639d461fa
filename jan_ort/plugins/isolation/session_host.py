"""The child's side: opens one session, and does with it what the parent asks, until the parent ends (hop 6)."""

from __future__ import annotations

import faulthandler
import logging
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

import numpy as np

from jan_ort.ground.shown_text import log_as, log_to_stderr
from jan_ort.plugins.isolation.array_window import ArrayWindow, Sent
from jan_ort.plugins.isolation.error_crossing import told_error
from jan_ort.plugins.session_guard import open_guarded
from jan_ort_backends import (
    BackendError,
    EmbeddedRun,
    ModelError,
    OpenOptions,
    Session,
    SessionInfo,
    SlotTokens,
    discover,
)

logger = logging.getLogger(__name__)


class SessionHost:
    """What the parent may ask for, each a method by the name that it sends."""

    session: Session

    def __init__(self, window: ArrayWindow) -> None:
        self._window = window

    def open(self, name: str, model_dir: Path, options: OpenOptions, log_level: int, log_json: bool) -> SessionInfo:
        """Open the session, which checks and guards the plugin's, and return its info in plain types, to be checked."""
        log_to_stderr(log_level)
        log_as(None, in_json=log_json)
        (found,) = [each for each in discover(allow=[name]) if each.name == name]
        if found.backend is None:
            raise ModelError(f"backend {name!r} cannot be used: {found.error}; {found.remedy}")
        self.session = open_guarded(found.backend, model_dir, options)
        device = self.session.info.device
        plain = replace(device, nodes=dict(device.nodes), declined=dict(device.declined))
        return replace(self.session.info, device=plain)

    def step(self, rows: Sequence[tuple[int, list[int], int, bool, tuple[EmbeddedRun, ...]]]) -> list[Sent]:
        """Run a step."""
        batch = [
            SlotTokens(slot, np.array(token_ids, np.int64), num_logits, keep, embedded)
            for slot, token_ids, num_logits, keep, embedded in rows
        ]
        output = self.session.step(batch)
        return self._window.put((output.logits, output.top_logits, output.top_token_ids))

    def embed(self, rows: Sequence[list[int]]) -> list[Sent]:
        """Embed."""
        return self._window.put([self.session.embed([np.array(token_ids, np.int64) for token_ids in rows])])

    def save(self, slot: int) -> list[Sent]:
        """Save a slot."""
        return self._window.put([self.session.save(slot)])

    def answer(self, method: str, arguments: Sequence[Any]) -> bytes:
        """Return the pickled answer to a request: an error or None, and the result."""
        owner = self if hasattr(self, method) else self.session
        try:
            try:
                return pickle.dumps((None, getattr(owner, method)(*arguments)), protocol=5)
            except BackendError as error:
                return pickle.dumps((told_error(error), None))
        except BaseException as error:  # an error's text, or a session's info, may be the plugin's code
            logger.exception("the answer to %s cannot be told", method)
            failed = BackendError(f"the answer of the backend to {method} cannot be told: {type(error).__name__}")
            return pickle.dumps((told_error(failed), None))

    def read(self, requests: BinaryIO, inbox: SimpleQueue[tuple[str, Sequence[Any]]]) -> None:
        """Hand requests on, interrupts at once, until the parent ends or lets go: that ends the process."""
        try:
            while True:
                method, arguments = pickle.load(requests)  # noqa: S301  (from the parent)
                if method == "interrupt":
                    self._interrupt()
                else:
                    inbox.put((method, arguments))
        except (EOFError, OSError):
            logger.debug("the server has closed this session, or has ended")
        finally:
            os._exit(0)  # whatever the session's threads are doing

    def _interrupt(self) -> None:
        try:
            self.session.interrupt()
        except BackendError as error:
            logger.warning("the backend failed to interrupt a step: %s", error)
        self._window.num_heard += 1


def host(handle: str) -> None:
    """Serve the parent that has started this process with the shared memory of this handle; never returns."""
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):  # a terminal or service sends them to all; the parent ends us
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    requests, replies = _private_pipes()
    if sys.stderr is not None:
        faulthandler.enable()
    session_host = SessionHost(ArrayWindow(handle))
    inbox: SimpleQueue[tuple[str, Sequence[Any]]] = SimpleQueue()
    Thread(target=session_host.read, args=(requests, inbox), name="requests", daemon=True).start()
    while True:  # the session stays in one thread
        replies.write(session_host.answer(*inbox.get()))
        replies.flush()


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the two pipes to the parent, and leave the plugin others to read and print.

    Its output goes to stderr. On Windows, loading a library hangs while a thread reads the standard input.
    """
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    sys.stdout = sys.stderr
    return requests, replies
