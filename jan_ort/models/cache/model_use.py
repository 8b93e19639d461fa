"""Which cached models are in use: each user holds a lock beside the folder, which ends with its process."""

from __future__ import annotations

import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from jan_ort.models.cache.model_cache import maker_lock
from jan_ort.models.folder_files import MANIFEST

logger = logging.getLogger(__name__)

_REMOVAL_S = 10.0
"""How long a removal of the folder that runs is waited for."""


class ModelUse:
    """Says that this process uses a cached model, from its making until ``close`` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Mark ``folder``; one that is not in a cache, or in a cache that cannot be written, is left alone."""
        self._lock: FileLock | None = None
        folder = folder.resolve()  # the mark lies beside the folder itself, wherever it was named from
        if not (folder / MANIFEST).is_file():
            return
        name = f".{folder.name}.use-{os.getpid()}-{secrets.token_hex(4)}"
        mark = FileLock(folder.with_name(name), thread_local=False)  # another thread closes than opens a model
        try:
            # Whoever removes the folder holds its maker's lock while it looks for marks.
            with maker_lock(folder).acquire(timeout=_REMOVAL_S):
                users(folder)  # servers that crashed have left theirs
                mark.acquire(timeout=0)
        except OSError as error:
            logger.debug("%s is not marked as used: %s", folder, error)  # nobody can remove it from there either
        else:
            self._lock = mark

    def close(self) -> None:
        """End the use. May be called twice."""
        if self._lock is not None:
            self._lock.release()
            with suppress(PermissionError):  # Windows: whoever looks for marks has it open, and removes it
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock = None


def users(folder: Path) -> list[int]:
    """Return the ids of the processes that use a cached model; marks of processes that have ended are removed."""
    found = []
    for mark in folder.parent.glob(f".{folder.name}.use-*"):
        try:
            with FileLock(mark).acquire(timeout=0):
                pass
        except Timeout:
            found.append(int(mark.name.rpartition(".use-")[2].partition("-")[0]))
        else:
            with suppress(PermissionError):  # Windows: its owner is just removing it
                mark.unlink(missing_ok=True)
    return sorted(found)
