"""The entry points of installed backends, read from the metadata of their distributions; none is imported here."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, distributions
from pathlib import Path

from jan_ort_backends.failure_text import one_line

logger = logging.getLogger(__name__)

GROUP = "jan_ort.backends"
"""The entry-point group that plugins register in."""

OWN = "jan-ort"
"""The distribution that this package is in; nobody is told to uninstall it, and its models keep their names."""

_FILE = "entry_points.txt"


@dataclass(frozen=True, slots=True)
class Entry:
    """A backend that a distribution offers; ``version`` and ``distribution`` are empty where the metadata has none.

    ``error`` says what is wrong with it where it cannot be imported; ``point`` is None, and ``name`` the
    distribution's, if the list of entry points cannot be read at all.
    """

    name: str
    distribution: str
    version: str
    point: EntryPoint | None = None
    error: str = ""

    @property
    def value(self) -> str:
        """What the entry point names ("module:attribute")."""
        return "" if self.point is None else self.point.value


def installed_entries() -> list[Entry]:
    """Return the entries of all distributions on ``sys.path``, by name; of two versions of one, the first counts.

    Unlike ``importlib.metadata.entry_points`` it reads the metadata only of the distributions that offer a backend,
    each once, and one that cannot be read hides no other.
    """
    found: list[Entry] = []
    seen: set[str] = set()
    for each in distributions():
        text = _text(each)
        if GROUP not in text:
            continue
        name, version = _identity(each)
        same = re.sub(r"[-_.]+", "-", name).lower() or text
        if same in seen or (name and not _is_in_force(name, text)):
            continue
        seen.add(same)
        found.extend(_entries(each, name, version))
    return sorted(found, key=lambda entry: (entry.name, entry.distribution, entry.version))


def state_of_path() -> tuple[object, ...]:
    """Return what changes when a distribution is installed or removed: ``sys.path``, and each folder's time."""
    return tuple((folder, _modified_ns(folder)) for folder in sys.path)


def _entries(owner: Distribution, name: str, version: str) -> Iterator[Entry]:
    try:
        points = dict.fromkeys(point for point in owner.entry_points if point.group == GROUP)
    except Exception as error:  # the file is parsed only now, and a line without "=" is a TypeError
        yield Entry(name or "(unnamed)", name, version, error=f"its {_FILE} cannot be read: {one_line(error)}")
        return
    for point in points:  # a line that is there twice is one
        sound = EntryPoint.pattern.match(point.value) is not None
        yield Entry(point.name, name, version, point, "" if sound else f"{point.value!r} is no module:attribute")


def _text(owner: Distribution) -> str:
    """Return the list of entry points; nearly that if it is not in UTF-8, and nothing if it cannot be opened."""
    try:
        return owner.read_text(_FILE) or ""
    except UnicodeDecodeError as error:  # enough to tell whether it offers a backend; then it is listed as unreadable
        return error.object.replace(b"\0", b"").decode("latin-1")
    except OSError as error:
        logger.warning("the entry points of %s cannot be read: %s", _identity(owner)[0], one_line(error))
        return ""


def _identity(owner: Distribution) -> tuple[str, str]:
    """Return name and version, read at once."""
    try:
        metadata = owner.metadata
        return metadata["Name"] or "", metadata["Version"] or ""
    except Exception as error:  # what a later Python raises for metadata that is not there
        logger.debug("a distribution has no metadata: %s", one_line(error))
        return "", ""


def _is_in_force(name: str, text: str) -> bool:
    """Return whether no other version, earlier on ``sys.path``, stands before the one with this ``text``."""
    try:
        return _text(distribution(name)) == text
    except PackageNotFoundError:  # its folder is named otherwise
        return True


def _modified_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0
