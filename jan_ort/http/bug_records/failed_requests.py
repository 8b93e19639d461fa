"""The last requests that were answered 5xx, each as a small file from which it can be sent again."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from quart import Quart, current_app, g, request

from jan_ort._version import __version__
from jan_ort.ground.secrets_removed import SecretRemover
from jan_ort.http.api_error import ApiError
from jan_ort.http.bug_records.filler import Filler
from jan_ort.http.bug_records.record_folder import REQUEST, forget_old, make, record_folder, write_private
from jan_ort.http.connection import at_end
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings
from jan_ort_openapi.json_text import decode_json

logger = logging.getLogger(__name__)

RECORDS = "jan_ort_bug_records"
"""Where an app keeps its :class:`FailedRequests` in ``app.extensions``."""

MAX_BODY_BYTES = 2**16
"""A larger body is not kept."""

MAX_HELD_BYTES = 2**24
"""Of all bodies that are held until their answers are over: of requests beyond that, bodies are not kept."""

UNTOLD = "not kept: it may repeat what the body says, and the body is not kept"
"""In place of a message whose request is not known any more."""

_PASSING = ("server_", "shutting_down")
"""Codes of answers that say nothing of the request: the server is just starting or ending."""

Note = Callable[[ApiError], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its method, path and body, None if that is not held."""

    method: str
    path: str
    num_bytes: int
    raw: bytes | None


class FailedRequests:
    """Writes what failed, in a thread, one at a time: of what fails meanwhile nothing is kept.

    ``names`` returns the names of the served models, which may be told.
    """

    def __init__(self, settings: Settings, names: Callable[[], frozenset[str]]) -> None:
        self._folder = record_folder(settings.cache_dir)
        self._whole = settings.bug_records == "prompts"
        self._remover = SecretRemover(settings.secrets)
        self._names = names
        self._num_held = 0
        self.writing: asyncio.Future[None] | None = None

    def begin(self, method: str, path: str, raw: bytes) -> None:
        """Hold what is asked until the answer is over."""
        is_held = len(raw) <= MAX_BODY_BYTES and self._num_held + len(raw) <= MAX_HELD_BYTES
        if is_held:
            self._num_held += len(raw)

            async def release() -> None:
                self._num_held -= len(raw)

            at_end(release)
        g.note_failure = partial(self.note, Asked(method, path, len(raw), raw if is_held else None))

    def note(self, asked: Asked, answer: ApiError) -> None:
        """Keep a request that was answered 5xx for a reason of its own or of its model."""
        busy = self.writing is not None and not self.writing.done()
        if answer.status < 500 or (answer.code or "").startswith(_PASSING) or busy:
            return
        write = partial(self._write, asked, answer, self._names())
        self.writing = asyncio.get_running_loop().run_in_executor(None, write)

    def _write(self, asked: Asked, answer: ApiError, names: frozenset[str]) -> None:
        record = recorded(asked, answer, None if self._whole else Filler(names))
        record = self._remover.value({**record, "served": sorted(names)})
        try:
            make(self._folder)
            name = f"{REQUEST}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.monotonic_ns()}.json"
            write_private(self._folder / name, json.dumps(record).encode())
        except OSError as error:
            logger.info("a failed request is not kept for bug reports: %s", error)
            return
        forget_old(self._folder, REQUEST)


def recorded(asked: Asked, answer: ApiError, filler: Filler | None) -> dict[str, Any]:
    """Return what is kept of a request, with ``filler`` for what it says, or as it is."""
    body: Any = None if asked.raw is None else decode_json(asked.raw)
    message = answer.message
    if filler is not None:
        body, message = filled(body, message, filler)
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "version": __version__,
        "method": asked.method,
        "path": asked.path,
        "status": answer.status,
        "code": answer.code,
        "message": message,
        "content": "as it was" if filler is None else "filler of the same length",
        "body_bytes": asked.num_bytes,
        "body": body,
    }


def filled(body: Any, message: str, filler: Filler) -> tuple[Any, str]:
    """Return a body with filler, None if it is not kept, and a message without what it repeats of it."""
    if body is None:
        return None, UNTOLD
    body = filler.fill(body)
    return body, filler.mask(message)


def keep_failed(app: Quart, server: Server) -> None:
    """Keep failed requests of an app from now on, if the settings want that."""
    if server.settings.bug_records != "off":
        app.extensions[RECORDS] = FailedRequests(server.settings, server.roster_names)


def begin_request(raw: bytes) -> None:
    """Say what the request asks that is being answered."""
    if (records := current_app.extensions.get(RECORDS)) is not None:
        records.begin(request.method, request.path, raw)


def failure_note() -> Note:
    """Return what is to be called if the request that is being answered fails; to be asked for while it is."""
    note: Note = g.get("note_failure", lambda answer: None)
    return note
