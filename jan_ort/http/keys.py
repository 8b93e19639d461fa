"""The keys that open the API, and whose they are (hop 1)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from jan_ort.ground.file_stamp import Stamp, stamp_of
from jan_ort.settings.key_file import read_keys
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

_UNREAD: Stamp = ()


class ApiKeys:
    """The key of the settings, and those of a file, which is read again when it changes.

    A file that cannot be read any more, or holds half a line, leaves the keys as they were.
    """

    def __init__(self, settings: Settings) -> None:
        own = () if settings.api_key is None else (settings.api_key.get_secret_value(),)
        self._own = {_digest(key.encode()): "" for key in own}
        admin = () if settings.admin_key is None else (settings.admin_key.get_secret_value(),)
        self._admin = {_digest(key.encode()) for key in admin}
        self._in_file: dict[bytes, str] = {}
        self._path = settings.api_key_file
        self._stamp: Stamp | None = _UNREAD
        self.are_needed = settings.needs_key

    def holder(self, given: Iterable[bytes]) -> str | None:
        """Return the name of the holder of one of these keys, "" for the one that has no name; None for no key."""
        if self._path is not None:
            self._read_again(self._path)
        # The time of a look-up tells of a digest, from which no key can be guessed.
        digests = map(_digest, given)
        found = (self._own.get(each, self._in_file.get(each)) for each in digests)
        return next((name for name in found if name is not None), None)

    def owner(self, given: Iterable[bytes]) -> str:
        """Return what stands for the key that opens the API, of these: its digest, "" for none."""
        known = {*self._own, *self._in_file, *self._admin}
        return next((each.hex() for each in map(_digest, given) if each in known), "")

    def _read_again(self, path: Path) -> None:
        stamp, before = stamp_of(path), self._stamp
        if stamp == before:
            return
        self._stamp = stamp
        try:
            names = read_keys(path)
        except (OSError, ValueError) as error:
            logger.warning("the API keys stay as they were: %s", error)
            return
        self._in_file = {_digest(key.encode()): name for key, name in names.items()}
        if before != _UNREAD:
            logger.info("%d API keys were read again from %s", len(names), path)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
