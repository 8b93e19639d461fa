"""The checksums of large files, remembered by path, size and time of change, so that each file is read only once."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path
from typing import Any

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.json_object import object_in, read_object, text_in
from jan_ort.ground.progress import Progress

logger = logging.getLogger(__name__)


class Checksums:
    """The checksums that ``path``, a JSON file, remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, file: Path) -> str | None:
        """Return the file's sha256 if it is remembered; the file is not read. Raises: OSError."""
        entry = object_in(self._read(), str(file.resolve()))
        return text_in(entry, "sha256") or None if entry.get("fingerprint") == _fingerprint(file) else None

    def compute(self, file: Path, progress: Progress) -> str:
        """Read the file, remember its sha256 and return it. Raises: OSError; what ``progress`` raises."""
        fingerprint = _fingerprint(file)
        digest = sha256_in_blocks(file, progress)
        self._write(self._read() | {str(file.resolve()): {"fingerprint": fingerprint, "sha256": digest}})
        return digest

    def _read(self) -> dict[str, Any]:
        if not self._path.exists():
            return {}
        try:
            return read_object(self._path)
        except (OSError, ValueError) as error:
            logger.warning("%s is unreadable (%s); checksums are computed again", self._path, error)
            return {}

    def _write(self, entries: dict[str, Any]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.is_dir() and any(self._path.iterdir()):
            logger.warning("%s is a directory; remove it, so that checksums can be remembered", self._path)
            return
        if self._path.is_dir():
            self._path.rmdir()
        partial = self._path.with_name(f".tmp-checksums-{secrets.token_hex(4)}")
        partial.write_text(json.dumps(entries, indent=1), encoding="utf-8")
        try:
            partial.replace(self._path)
        except PermissionError as error:  # Windows replaces no file that somebody reads
            logger.warning("%s is not changed (%s); a checksum will be computed again", self._path, error)
            partial.unlink()


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
