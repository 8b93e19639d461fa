"""Responses that are kept, to be continued and asked for: in memory, or in a file of SQLite."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from jan_ort.ground.worker_pool import WorkerPool
from jan_ort.settings.schema import Settings, SettingsError

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

_APPLICATION_ID = 0x6A6F7273
"""What SQLite files say of whose they are: "jors"."""

_SCHEMA = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = 1;
CREATE TABLE IF NOT EXISTS responses (
    id TEXT PRIMARY KEY, owner TEXT NOT NULL, used_at REAL NOT NULL, num_bytes INTEGER NOT NULL, record BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_use ON responses (used_at);
"""


class StoreUnavailable(Exception):
    """Raised when the file of responses cannot be used now: another program holds it, or its disk is full."""


class ResponseStore:
    """Keeps records by their ids for their owners: the last used ones, within the settings' bounds.

    A record is JSON: an object with ``response`` and ``items``. Whoever asks with another owner finds nothing.
    """

    def __init__(self, settings: Settings) -> None:
        self._max_responses = settings.max_stored_responses
        self._max_bytes = settings.max_stored_response_mb * 2**20
        self._ttl_s = settings.stored_response_ttl_s
        self._database = _opened(settings.response_store)
        self._work = WorkerPool("responses", 1, sys.maxsize)  # what waits is bounded by the requests there are

    async def get(self, identity: str, owner: str) -> dict[str, Any] | None:
        """Return a record, which counts as used, or None where this owner has none. Raises: StoreUnavailable."""
        return await self._asked(lambda: self._get(identity, owner))

    async def put(self, identity: str, owner: str, record: dict[str, Any]) -> bool:
        """Keep a record, at the cost of those that were not used for the longest; return whether it is kept."""
        return await self._work.run(lambda: self._put(identity, owner, record))

    async def delete(self, identity: str, owner: str) -> bool:
        """Forget a record, and return whether there was one. Raises: StoreUnavailable."""
        return await self._asked(lambda: self._delete(identity, owner))

    async def forget_expired(self) -> None:
        """Forget what was not used for too long. Raises: StoreUnavailable."""
        await self._asked(self._forget_expired)

    def close(self) -> None:
        """Close the file, once what has begun is done."""
        self._work.submit(self._database.close).result()
        self._work.close()

    async def _asked(self, work: Callable[[], _Result]) -> _Result:
        try:
            return await self._work.run(work)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"stored responses cannot be used now: {error}; try again later") from error

    def _get(self, identity: str, owner: str) -> dict[str, Any] | None:
        with self._database:
            self._forget_old()
            found = self._database.execute(
                "UPDATE responses SET used_at = ? WHERE id = ? AND owner = ? RETURNING record",
                (time.time(), identity, owner),
            ).fetchone()
        if found is None:
            return None
        record: dict[str, Any] = json.loads(found[0])
        return record

    def _put(self, identity: str, owner: str, record: dict[str, Any]) -> bool:
        raw = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        if not self._max_responses or len(raw) > self._max_bytes:
            return False
        try:
            with self._database:
                self._forget_old()
                self._make_room(len(raw))
                row = (identity, owner, time.time(), len(raw), raw)
                self._database.execute("INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            logger.error("a response is not kept: %s", error)
            return False
        return True

    def _delete(self, identity: str, owner: str) -> bool:
        with self._database:
            self._forget_old()
            given = (identity, owner)
            return self._database.execute("DELETE FROM responses WHERE id = ? AND owner = ?", given).rowcount > 0

    def _forget_expired(self) -> None:
        with self._database:
            self._forget_old()

    def _forget_old(self) -> None:
        if self._ttl_s:
            self._database.execute("DELETE FROM responses WHERE used_at < ?", (time.time() - self._ttl_s,))

    def _make_room(self, num_bytes: int) -> None:
        counted = self._database.execute("SELECT count(*), ifnull(sum(num_bytes), 0) FROM responses")
        num_kept, num_held = counted.fetchone()
        oldest = self._database.execute("SELECT id, num_bytes FROM responses ORDER BY used_at").fetchall()
        for identity, size in oldest:
            if num_kept < self._max_responses and num_held + num_bytes <= self._max_bytes:
                return
            self._database.execute("DELETE FROM responses WHERE id = ?", (identity,))
            num_kept, num_held = num_kept - 1, num_held - size


def check_store(settings: Settings) -> None:
    """Check that the file of responses can be used, if one is wanted. Raises: SettingsError."""
    if settings.response_store is not None:
        _opened(settings.response_store).close()


def _opened(path: Path | None) -> sqlite3.Connection:
    """Return the database, which is for its owner's eyes only. Raises: SettingsError."""
    try:
        if path is not None:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            path.chmod(0o600)  # it may have been there
        database = sqlite3.connect(":memory:" if path is None else path, timeout=5, check_same_thread=False)
        try:
            _prepare(database, path)
        except BaseException:
            database.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(f"--response-store {path} cannot be used: {error}; choose another file") from error
    return database


def _prepare(database: sqlite3.Connection, path: Path | None) -> None:
    with closing(database.execute("PRAGMA application_id")) as found:
        (owner,) = found.fetchone()
    with closing(database.execute("SELECT count(*) FROM sqlite_master")) as found:
        (num_things,) = found.fetchone()
    if num_things and owner != _APPLICATION_ID:
        raise SettingsError(f"--response-store {path} is a database of another program; choose another file")
    database.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    database.executescript(_SCHEMA)
