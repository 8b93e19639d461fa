"""A file of API keys, each with the name of its holder."""

from __future__ import annotations

import re
from pathlib import Path

MAX_BYTES = 2**20
"""Of the file: some ten thousand keys."""

_NAME = re.compile(r"[\w.@-]{1,64}")


def read_keys(path: Path) -> dict[str, str]:
    """Return the names of holders by their keys: lines of NAME:KEY; blank ones and those with a ``#`` first are none.

    One name may have several keys, so that one can replace another. No message holds a key.
    Raises: ValueError naming the line, OSError.
    """
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a file")
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"{path} has more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8") from None  # whose message would quote what it holds
    names: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, colon, key = (part.strip() for part in line.partition(":"))
        if not colon or not _NAME.fullmatch(name) or not key:
            raise ValueError(f"line {number} of {path} is not NAME:KEY; a name has letters, digits and _ . @ -")
        if key in names:
            raise ValueError(f"line {number} of {path} has the key of an earlier line")
        names[key] = name
    if not names:
        raise ValueError(f"{path} has no key; give one a line, as NAME:KEY")
    return names
