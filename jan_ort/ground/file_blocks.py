"""Reading files of many gigabytes block by block, so that it can be shown, and stopped by whoever shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from jan_ort.ground.progress import ByteShare, Progress, silent

BLOCK_BYTES = 1 << 22
"""So much is read in about a hundredth of a second, and a call of ``progress`` between costs nothing beside it."""


def sha256_in_blocks(source: Path, progress: Progress = silent) -> str:
    """Return the file's sha256, in hexadecimal. Raises: what ``progress`` raises; OSError."""
    digest = hashlib.sha256()
    for block in _blocks(source, f"Reading {source.name}", progress):
        digest.update(block)
    return digest.hexdigest()


def copy_in_blocks(source: Path, target: Path, progress: Progress) -> None:
    """Copy the file's content to ``target``, which is new. Raises: what ``progress`` raises; OSError."""
    with target.open("xb") as stream:
        for block in _blocks(source, f"Copying {source.name}", progress):
            stream.write(block)


def _blocks(source: Path, stage: str, progress: Progress) -> Iterator[bytes]:
    size, done = source.stat().st_size, 0
    progress(stage, 0.0)
    with source.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            yield block
            done += len(block)
            progress(stage, ByteShare(done / size if size else 1.0, size))
