"""The files of the pages: what a browser runs to ask this server's API as any other client does."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent / "files"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class PageFile(NamedTuple):
    """A file as it is sent; ``tag`` changes when it does."""

    body: bytes
    content_type: str
    tag: str


@cache
def page_files() -> dict[str, PageFile]:
    """Return every file by its path below the pages' folder, read at the first call: 3 MB."""
    return {path.relative_to(ROOT).as_posix(): _read(path) for path in ROOT.rglob("*") if path.suffix in _TYPES}


def _read(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, _TYPES[path.suffix], hashlib.sha256(body).hexdigest()[:16])
