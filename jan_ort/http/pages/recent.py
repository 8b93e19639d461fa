"""What has happened of late, for whoever watches the server: its last errors, and the last lines of its log."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from quart import request

from jan_ort.ground.secrets_removed import SecretRemover
from jan_ort.ground.shown_text import log_beside
from jan_ort.http.api_error import ApiError
from jan_ort.settings.schema import Settings

MAX_LINES = 300
MAX_ERRORS = 20

_OF_STRANGERS = (401, 403)
"""Answers to whoever has no key: anybody could fill the list with them."""


class RecentLog(logging.Handler):
    """Keeps the last lines of the log, without the keys that are configured; each has a number, from 0 on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=MAX_LINES)
        self.num_lines = 0
        # From INFO on, as prompts are below it. Without an admin nobody may read it, so nothing is kept.
        if settings.admin_key is not None:
            log_beside(self, logging.INFO, SecretRemover(settings.secrets).known)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; a traceback's lines are one with it."""
        self._lines.append(self.format(record))
        self.num_lines += 1

    def since(self, number: int) -> tuple[list[str], int]:
        """Return the lines from this number on, as far as they are kept, and the number of the next one."""
        self.acquire()
        try:
            new = self.num_lines - number
            return list(self._lines)[-new:] if new else [], self.num_lines
        finally:
            self.release()

    def close(self) -> None:
        """Keep no more."""
        logging.getLogger().removeHandler(self)
        super().close()


class RecentErrors:
    """Keeps what the last refused and failed requests were answered; no message, which may repeat what they said."""

    def __init__(self) -> None:
        self._errors: deque[dict[str, Any]] = deque(maxlen=MAX_ERRORS)

    def note(self, answer: ApiError) -> None:
        """Note the answer to this task's request, unless its path is unknown or it had no right to ask."""
        if request.url_rule is None or answer.status in _OF_STRANGERS:
            return
        told = {"time": time.time(), "method": request.method, "path": request.url_rule.rule}
        self._errors.append(told | {"status": answer.status, "code": answer.code})

    def listed(self) -> list[dict[str, Any]]:
        """Return them, the last first."""
        return list(reversed(self._errors))


class Recent:
    """Both, of one app."""

    def __init__(self, settings: Settings) -> None:
        self.log = RecentLog(settings)
        self.errors = RecentErrors()
        self.since_s = time.time()


RECENT = "jan_ort_recent"
"""Where the app keeps its :class:`Recent` in ``app.extensions``."""
