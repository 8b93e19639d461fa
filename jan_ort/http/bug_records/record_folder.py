"""Where records for bug reports are kept: a few small files in the model cache, the newest of each kind."""

from __future__ import annotations

import contextlib
from pathlib import Path

FOLDER = "bug_records"
LOG, REQUEST = "log", "request"

NUM_KEPT = 3


def record_folder(cache_dir: Path) -> Path:
    """Return the folder of a cache; it need not be there."""
    return cache_dir / FOLDER


def kept(folder: Path, kind: str) -> list[Path]:
    """Return the files of a kind, the newest first; one may be gone again."""
    times: dict[Path, float] = {}
    for path in folder.glob(f"{kind}-*"):
        with contextlib.suppress(OSError):
            times[path] = path.stat().st_mtime
    return sorted(times, key=lambda path: (times[path], path.name), reverse=True)


def forget_old(folder: Path, kind: str, num_kept: int = NUM_KEPT) -> None:
    """Remove all but the newest files of a kind; one that another server has open stays, on Windows."""
    for path in kept(folder, kind)[num_kept:]:
        with contextlib.suppress(OSError):
            path.unlink()


def write_private(path: Path, content: bytes) -> None:
    """Write a new file for this user alone, whole or not at all. Raises: OSError, FileExistsError if there is one."""
    path.touch(mode=0o600, exist_ok=False)
    try:
        path.write_bytes(content)
    except OSError:  # the disk is full
        path.unlink()
        raise


def make(folder: Path) -> None:
    """Make the folder, for this user alone. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
