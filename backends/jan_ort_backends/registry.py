"""Find the installed backends by their entry points; one broken plugin does not keep out the next (hop 6)."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, distributions, entry_points
from itertools import groupby

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

    @property
    def mend(self) -> str:
        """What a user can do about a plugin that fails."""
        deny = f"exclude it with --deny-backend {shlex.quote(self.name)}"
        return f"repair or uninstall {self.distribution or 'its package'}, or {deny}"


_registered: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """Add a backend beside the entry points, for tests and embedding; it shadows an entry point of the same name.

    Raises: BackendError if it is no backend, was written for another abi, or its name is registered already.
    """
    name = check_descriptor(backend).name
    if name in _registered:
        raise BackendError(f"a backend named {name!r} is registered already; unregister({name!r}) first")
    _registered[name] = backend


def unregister(name: str) -> None:
    """Remove a backend that ``register`` added. Raises: BackendError if there is none of this name."""
    if name not in _registered:
        raise BackendError(f"no backend named {name!r} was registered{did_you_mean(name, _registered)}")
    del _registered[name]


def is_registered(backend: Backend) -> bool:
    """Return whether ``register`` has added the backend, so that another process does not find it."""
    return _registered.get(backend.name) is backend


def discover(
    *, allow: Collection[str] | None = None, deny: Collection[str] = (), importing: Import | None = None
) -> tuple[Discovered, ...]:
    """List every backend, loaded if it can be: registered ones first, then the entry points by name.

    A plugin that is not in ``allow`` (None allows all) or is in ``deny`` is listed with that reason, and its code is
    never imported. Any other is loaded, by ``importing`` if that is given, and one that fails is listed with its error.
    """
    rows = [Discovered(name, "", "", "register()", backend) for name, backend in _registered.items()]
    found = [_excluded(row, allow, deny) or row for row in rows]
    installed = [(row, point) for row, point in _installed() if row.name not in _registered]
    for row, point in installed:
        rivals = [other for other, _ in installed if other.name == row.name]
        found.append(_excluded(row, allow, deny) or _clash(row, rivals) or _load(row, point, importing))
    names = [row.name for row in found]
    for name in sorted(set(allow or ()).difference(names)):
        error = f"no backend named {name!r} is installed{did_you_mean(name, names)}"
        found.append(Discovered(name, "", "", "", error=error, remedy=f"install its package, or correct {_ALLOW}"))
    return tuple(found)


def _installed() -> list[tuple[Discovered, EntryPoint]]:
    """Return each entry point with what its metadata says of it, by name; of two versions of one the first counts."""
    rows = []
    for owner, points in groupby(_entry_points(), lambda point: point.dist):
        metadata = owner.metadata  # of a damaged distribution it is empty
        name, version = (metadata.get_all(field, [""])[0] for field in ("Name", "Version"))
        rows += [(Discovered(point.name, name, version, point.value), point) for point in points]
    return sorted(rows, key=lambda pair: (pair[0].name, pair[0].distribution))


def _entry_points() -> Iterator[EntryPoint]:
    try:
        yield from entry_points(group=GROUP)
    except Exception:  # some distribution's list is in another encoding or form, which says nothing of the others
        for owner in distributions():
            try:
                yield from owner.entry_points.select(group=GROUP)
            except Exception as error:
                name = owner.metadata.get_all("Name", [""])[0]
                logger.warning("the entry points of %s cannot be read: %s", name, one_line(error))


def _excluded(row: Discovered, allow: Collection[str] | None, deny: Collection[str]) -> Discovered | None:
    if row.name in deny:
        return replace(row, backend=None, error="excluded by the deny list", remedy=f"remove {row.name!r} from {_DENY}")
    if allow is not None and row.name not in allow:
        return replace(row, backend=None, error="not in the allow list", remedy=f"add {row.name!r} to {_ALLOW}")
    return None


def _clash(row: Discovered, rivals: Sequence[Discovered]) -> Discovered | None:
    if len(rivals) == 1:
        return None
    owners = dict.fromkeys(rival.distribution for rival in rivals)
    values = ", ".join(rival.value for rival in rivals)
    error = f"{len(rivals)} backends are named {row.name!r}: {values} (of {', '.join(owners)})"
    return replace(row, error=error, remedy=f"uninstall {' or '.join(owner for owner in owners if owner != OWN)}")


def _load(row: Discovered, point: EntryPoint, importing: Import | None) -> Discovered:
    if EntryPoint.pattern.match(point.value) is None:
        return replace(row, error=f"{point.value!r} is not module:attribute", remedy=row.mend)
    logger.debug("backend %s: import %s", row.name, point.value)  # the last line in the log if that ends the process

    def load() -> Backend:
        return check_descriptor(point.load(), expected_name=point.name)

    try:
        return replace(row, backend=importing(load) if importing else load())
    except NotABackend as error:
        return replace(row, error=str(error), remedy=row.mend)
    except (Exception, SystemExit) as error:  # a plugin that calls sys.exit() must not end the process either
        reason = f"{point.value} failed to import: {reason_of(error)}"
        logger.warning("backend %s (%s) is skipped: %s", row.name, row.distribution, reason)
        return replace(row, error=reason, traceback=trace(error), remedy=row.mend)
