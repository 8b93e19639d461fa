"""The checksums of large files, remembered by path, size and time of change, so that each file is read only once."""

from __future__ import annotations

import json
import logging
import secrets
from pathlib import Path

from jan_ort.ground.progress import Progress
from jan_ort.models.file_blocks import sha256_in_blocks

logger = logging.getLogger(__name__)


class Checksums:
    """The checksums that ``path``, a JSON file, remembers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, file: Path) -> str | None:
        """Return the file's sha256 if it is remembered; the file is not read. Raises: OSError."""
        entry = self._read().get(str(file.resolve()), {})
        return str(entry["sha256"]) if entry.get("fingerprint") == _fingerprint(file) else None

    def compute(self, file: Path, progress: Progress) -> str:
        """Read the file, remember its sha256 and return it. Raises: OSError; what ``progress`` raises."""
        fingerprint = _fingerprint(file)
        digest = sha256_in_blocks(file, progress)
        entries = self._read() | {str(file.resolve()): {"fingerprint": fingerprint, "sha256": digest}}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_name(f".tmp-checksums-{secrets.token_hex(4)}")
        partial.write_text(json.dumps(entries, indent=1), encoding="utf-8")
        partial.replace(self._path)
        return digest

    def _read(self) -> dict[str, dict[str, object]]:
        if not self._path.exists():
            return {}
        try:
            return dict(json.loads(self._path.read_bytes()))
        except ValueError as error:
            logger.warning("%s is unreadable (%s); checksums are computed again", self._path, error)
            return {}


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ino]
