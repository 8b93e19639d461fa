"""Find the installed backends by their entry points; one broken plugin does not keep out the next (hop 6)."""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions, entry_points
from pathlib import Path
from typing import cast

from jan_ort_backends.descriptor_checks import NotABackend, check_descriptor
from jan_ort_backends.errors import BackendError
from jan_ort_backends.failure_text import one_line, reason_of, trace
from jan_ort_backends.interface import Backend
from jan_ort_backends.spelling import did_you_mean

logger = logging.getLogger(__name__)

GROUP = "jan_ort.backends"
"""The entry-point group that plugins register in."""

OWN = "jan-ort"
"""The distribution that this package is in; nobody is told to uninstall it, and its models keep their names."""

_ALLOW, _DENY = "--allow-backend (JAN_ORT_ALLOW_BACKEND)", "--deny-backend (JAN_ORT_DENY_BACKEND)"
"""Where the user sets the lists: what a remedy names."""

Import = Callable[[Callable[[], Backend]], Backend]
"""Calls what imports a plugin; the server's sets it a time limit."""


@dataclass(frozen=True, slots=True)
class Discovered:
    """One backend that is installed, was registered, or was asked for: usable, or the reason why it is not.

    ``value`` is what the entry point names ("module:attribute"). ``backend`` is None if and only if ``error``, one
    line, is set; ``traceback`` is there when loading it raised; ``remedy`` is what to do about it.
    """

    name: str
    distribution: str
    version: str
    value: str
    backend: Backend | None = None
    error: str | None = None
    traceback: str | None = None
    remedy: str | None = None

    @property
    def is_installed(self) -> bool:
        """Whether there is such a backend at all; the allow list may name one that is not."""
        return bool(self.distribution or self.value)


_registered: dict[str, Backend] = {}
_last: dict[object, tuple[Discovered, ...]] = {}
"""The last answer of ``discover``, by what it was asked and what was installed: a start asks more than once."""


def register(backend: Backend) -> None:
    """Add a backend beside the entry points, for tests and embedding; it shadows an entry point of the same name.

    Raises: BackendError if it is no backend, was written for another abi, or its name is registered already.
    """
    checked = check_descriptor(backend)
    if checked.name in _registered:
        raise BackendError(
            f"a backend named {checked.name!r} is registered already; unregister({checked.name!r}) first"
        )
    _registered[checked.name] = checked
    _last.clear()


def unregister(name: str) -> None:
    """Remove a backend that ``register`` added. Raises: BackendError if there is none of this name."""
    if name not in _registered:
        raise BackendError(f"no backend named {name!r} was registered{did_you_mean(name, _registered)}")
    del _registered[name]
    _last.clear()


def discover(
    *,
    allow: Collection[str] | None = None,
    deny: Collection[str] = (),
    importing: Import | None = None,
) -> tuple[Discovered, ...]:
    """List every backend, loaded if it can be: registered ones first, then the entry points by name.

    A plugin that is not in ``allow`` (None allows all) or is in ``deny`` is listed with that reason, and its code is
    never imported. Any other is loaded, by ``importing`` if that is given, and one that fails is listed with its error.
    The same question again has the same answer, without importing anything, until something is installed.
    """
    state = tuple((folder, _modified_ns(folder)) for folder in sys.path)
    asked = (None if allow is None else frozenset(allow), frozenset(deny), importing, state)
    if asked not in _last:
        rows = tuple(_discover(allow, deny, importing))
        _last.clear()
        _last[asked] = rows
    return _last[asked]


def _discover(allow: Collection[str] | None, deny: Collection[str], importing: Import | None) -> Iterator[Discovered]:
    names = set(_registered)
    for name, backend in _registered.items():
        row = Discovered(name, "", "", "register()")
        yield _excluded(row, allow, deny) or replace(row, backend=backend)
    installed = [(row, point) for row, point in _installed() if row.name not in _registered]
    for row, point in installed:
        names.add(row.name)
        rivals = [other for other, _ in installed if other.name == row.name]
        excluded = _excluded(row, allow, deny) or (_clash(row, rivals) if len(rivals) > 1 else None)
        yield excluded or _load(row, point, importing)
    for name in sorted(set(allow or ()) - names):
        error = f"no backend named {name!r} is installed{did_you_mean(name, names)}"
        yield Discovered(name, "", "", "", error=error, remedy=f"install its package, or correct {_ALLOW}")


def _installed() -> list[tuple[Discovered, EntryPoint]]:
    """Return each entry point with what its metadata says of it, by name; of two versions of one the first counts."""
    points = {(point.name, point.value, id(point.dist)): point for point in _entry_points()}  # a line twice is one
    owners = {id(point.dist): cast(Distribution, point.dist) for point in points.values()}
    known = {key: _identity(owner) for key, owner in owners.items()}
    rows = [(Discovered(point.name, *known[id(point.dist)], point.value), point) for point in points.values()]
    return sorted(rows, key=lambda pair: (pair[0].name, pair[0].distribution, pair[0].version))


def _entry_points() -> Iterator[EntryPoint]:
    try:
        yield from entry_points(group=GROUP)
    except Exception:  # some distribution's list is in another encoding or form, which says nothing of the others
        for owner in distributions():
            try:
                yield from owner.entry_points.select(group=GROUP)
            except Exception as error:
                logger.warning("the entry points of %s cannot be read: %s", _identity(owner)[0], one_line(error))


def _identity(owner: Distribution) -> tuple[str, str]:
    """Return name and version, empty where the metadata has none."""
    try:
        metadata = owner.metadata  # read at once
        return metadata["Name"] or "", metadata["Version"] or ""
    except Exception as error:  # what a later Python raises for metadata that is not there
        logger.debug("a distribution has no metadata: %s", one_line(error))
        return "", ""


def _load(row: Discovered, point: EntryPoint, importing: Import | None) -> Discovered:
    mend = f"repair or uninstall {row.distribution or 'its package'}, or {how_to_deny(row.name)}"
    if EntryPoint.pattern.match(point.value) is None:
        return replace(row, error=f"{point.value!r} is no module:attribute", remedy=mend)
    logger.debug("backend %s: import %s", row.name, point.value)  # the last line in the log if that ends the process

    def load() -> Backend:
        return check_descriptor(point.load(), expected_name=point.name)

    try:
        return replace(row, backend=importing(load) if importing else load())
    except KeyboardInterrupt:
        raise
    except NotABackend as error:
        return replace(row, error=str(error), remedy=error.remedy)
    except BaseException as error:  # a plugin that calls sys.exit() must not end the process either
        reason = f"{point.value} failed to import: {reason_of(error)}"
        logger.warning("backend %s (%s) is skipped: %s", row.name, row.distribution, reason)
        return replace(row, error=reason, traceback=trace(error), remedy=mend)


def how_to_deny(name: str) -> str:
    """Return how a user keeps a backend from being imported, as a part of a remedy."""
    return f"exclude it with --deny-backend {shlex.quote(name)}"


def _clash(row: Discovered, rivals: Sequence[Discovered]) -> Discovered:
    """Return what is wrong when one name is offered more than once."""
    owners = list(dict.fromkeys(rival.distribution for rival in rivals))
    if len(owners) == 1:
        values = ", ".join(rival.value for rival in rivals)
        error = f"{owners[0]} offers {len(rivals)} backends named {row.name!r}: {values}"
        return replace(row, error=error, remedy=f"repair or uninstall {owners[0]}")
    listed = ", ".join(owners)
    others = ", ".join(owner for owner in owners if owner != OWN) if OWN in owners else f"all but one of them: {listed}"
    error = f"{len(owners)} distributions offer a backend named {row.name!r}: {listed}"
    return replace(row, error=error, remedy=f"uninstall {others}")


def _excluded(row: Discovered, allow: Collection[str] | None, deny: Collection[str]) -> Discovered | None:
    if row.name in deny:
        return replace(row, error="excluded by the deny list", remedy=f"remove {row.name!r} from {_DENY}")
    if allow is not None and row.name not in allow:
        return replace(row, error="not in the allow list", remedy=f"add {row.name!r} to {_ALLOW}")
    return None


def _modified_ns(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0
