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


_POINTER = b"version https://git-lfs.github.com/spec/"

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def why_no_file(path: Path) -> str | None:
    """Return why a path must not be opened as a file, in words that follow its name, None if it may.

    To open a pipe would wait for whoever writes to it, and a device may have no end.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return "does not exist"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISREG(mode):
        return _why_pointer(path)
    return f"is {next((name for is_kind, name in _KINDS if is_kind(mode)), 'something else')}, not a file"


def _why_pointer(path: Path) -> str | None:
    """Return what a file is that stands for another: what a clone without Git LFS leaves."""
    try:
        with path.open("rb") as stream:
            is_pointer = stream.read(len(_POINTER)) == _POINTER
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "is a pointer of Git LFS, not the file itself (git lfs pull fetches that)" if is_pointer else None


def check_small_file(path: Path, max_bytes: int = MAX_CONFIGURATION_BYTES) -> None:
    """Refuse what must not be opened as a file, and what is too large. Raises: ValueError; OSError."""
    size = path.stat().st_size
    if (why := why_no_file(path)) is not None:
        raise ValueError(why)
    if size > max_bytes:
        raise ValueError(f"has {size} bytes; at most {max_bytes} are read")
