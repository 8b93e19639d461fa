"""Reading a model folder's small files whole: never a pipe or a device, nor more than such a file has."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

MAX_CONFIGURATION_BYTES = 2**23
"""Of a JSON file or a template; the largest of models have a megabyte. Parsed, it may take 20 times as much."""

MAX_TOKENIZER_BYTES = 2**28
"""Of tokenizer.json; the largest that models come with have 40 MB."""


def read_small_file(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> bytes:
    """Return what is in the file. Raises: ValueError whose message goes on after the file's name; OSError."""
    check_small_file(path, max_bytes)
    with path.open("rb") as stream:
        content = stream.read(max_bytes + 1)  # it may have grown
    if len(content) > max_bytes:
        raise ValueError(f"has more than {max_bytes} bytes")
    return content


def leaves_folder(name: str) -> bool:
    """Say whether a relative path, as a model's file gives it for a file beside it, would lead elsewhere."""
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or PureWindowsPath(name).drive != "" or ".." in parts.parts or "\x00" in name


def check_small_file(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> None:
    """Refuse what must not be opened, for that would wait, and what is too large. Raises: ValueError; OSError."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file, but a pipe, a socket or a device")
    if status.st_size > max_bytes:
        raise ValueError(f"has {status.st_size} bytes; at most {max_bytes} are read")
