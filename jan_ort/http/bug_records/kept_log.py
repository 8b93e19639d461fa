"""The log of this server in a file, beside what stderr shows: what a bug report tells of a server that is gone."""

from __future__ import annotations

import logging
import os
import re
import time
from contextlib import suppress
from logging.handlers import RotatingFileHandler

from jan_ort.ground.secrets_removed import HIDDEN, SecretRemover
from jan_ort.ground.shown_text import log_beside
from jan_ort.http.bug_records.record_folder import LOG, forget_old, make, record_folder
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

MAX_LOG_BYTES = 2**18
"""Of each of the two files that the log goes round in."""

_ASKED = re.compile(r"(?<=, user ).*|(?<=: the field ).*(?= is not part of the API)")
"""What a client has written and the log repeats: for whom a request is, and the names of fields that are unknown."""

_OF_REQUESTS = (
    "jan_ort.engine",
    "jan_ort.http",
    "jan_ort.plugins",
    "jan_ort.serving.encoding",
    "jan_ort.ground.worker_pool",
    "asyncio",
    "hypercorn",
)
"""Loggers of errors that a request has led to, whose words are a backend's or a library's and may repeat a prompt."""


class _Handler(RotatingFileHandler):
    def doRollover(self) -> None:  # noqa: N802
        """Go over to the other file, or begin this one anew where somebody reads one: Windows renames neither then."""
        try:
            super().doRollover()
        except PermissionError:
            self.stream = self._open()
            self.stream.truncate(0)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Give up, as on a disk that is full: stderr still has the log."""
        logging.getLogger().removeHandler(self)
        with suppress(OSError, ValueError):  # what is left to be written cannot be, either
            self.close()


def keep_log(settings: Settings) -> None:
    """Keep the log from now on, if the settings want that and the disk allows it; DEBUG, with prompts, is left out."""
    if settings.bug_records == "off":
        return
    folder = record_folder(settings.cache_dir)
    try:
        make(folder)
        path = folder / f"{LOG}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        handler = _Handler(path, maxBytes=MAX_LOG_BYTES, backupCount=1, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        logger.info("no log is kept for bug reports: %s", error)
        return
    forget_old(folder, LOG)
    remover = SecretRemover(settings.secrets)
    wordless = () if settings.bug_records == "prompts" else _OF_REQUESTS
    log_beside(handler, logging.INFO, lambda line: remover.known(_ASKED.sub(HIDDEN, line)), wordless)
