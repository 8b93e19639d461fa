"""Find the installed backends by their entry points, and keep one broken plugin from the next (hop 6)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jan_ort_backends.checked_backend import CheckedBackend
from jan_ort_backends.descriptor_checks import NotABackend, check_descriptor
from jan_ort_backends.entries import GROUP as GROUP
from jan_ort_backends.entries import OWN, Entry, installed_entries, state_of_path
from jan_ort_backends.errors import BackendError
from jan_ort_backends.failure_text import message_line, trace
from jan_ort_backends.interface import Backend
from jan_ort_backends.isolation import LIMIT_S, PluginHangs, how_to_deny, reason_of, within
from jan_ort_backends.spelling import did_you_mean

logger = logging.getLogger(__name__)

_ALLOW, _DENY = "--allow-backend (JAN_ORT_ALLOW_BACKEND)", "--deny-backend (JAN_ORT_DENY_BACKEND)"
"""Where the user sets the lists: what a remedy names."""

_registered: dict[str, CheckedBackend] = {}


@dataclass(frozen=True, slots=True)
class Discovered:
    """One backend that is installed, was registered, or was asked for: usable, or the reason why it is not.

    ``value`` is what the entry point names ("module:attribute"). ``backend`` is None if and only if ``error``, one
    line, is set; ``traceback`` is there when the plugin's own code raised; ``remedy`` is what to do about it.
    ``checked`` is the same backend with fields that were read once and cannot change or fail: what a server uses.
    """

    name: str
    distribution: str
    version: str
    value: str
    backend: Backend | None = None
    error: str | None = None
    traceback: str | None = None
    remedy: str | None = None
    checked: Backend | None = None

    @property
    def is_installed(self) -> bool:
        """Whether there is such a backend at all; the allow list may name one that is not."""
        return bool(self.distribution or self.value)


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
    *, allow: Collection[str] | None = None, deny: Collection[str] = (), limit_s: float = LIMIT_S
) -> tuple[Discovered, ...]:
    """List every backend, loaded if it can be: registered ones first, then the entry points by name.

    A plugin that is not in ``allow`` (None allows all) or is in ``deny`` is listed with that reason, and its code is
    never imported. A plugin that fails in any way, or takes longer than ``limit_s`` to import, is listed with its
    error; nothing but the user's KeyboardInterrupt is raised. The same question again has the same answer, without
    importing anything, until something is installed. Not to be called while a module is being imported.
    """
    asked = (None if allow is None else frozenset(allow), frozenset(deny), limit_s, state_of_path())
    if asked not in _last:
        rows = _discover(allow, deny, limit_s)
        _last.clear()
        _last[asked] = rows
        return rows
    return _last[asked]


def _discover(allow: Collection[str] | None, deny: Collection[str], limit_s: float) -> tuple[Discovered, ...]:
    found = [
        _excluded(name, allow, deny) or Discovered(name, "", "", "register()", backend=checked.own, checked=checked)
        for name, checked in _registered.items()
    ]
    entries = [entry for entry in installed_entries() if entry.name not in _registered]
    for entry in entries:
        rivals = [other for other in entries if other.name == entry.name]
        found.append(_discover_one(entry, allow, deny, rivals, limit_s))
    names = {row.name for row in found}
    found.extend(_not_installed(name, names) for name in sorted(set(allow or ()) - names))
    return tuple(found)


def _discover_one(
    entry: Entry,
    allow: Collection[str] | None,
    deny: Collection[str],
    rivals: Sequence[Entry],
    limit_s: float,
) -> Discovered:
    excluded = _excluded(entry.name, allow, deny, entry)
    if excluded is not None:
        return excluded
    if len(rivals) > 1:
        return _failed(entry, *_clash(entry.name, rivals))
    return _load(entry, limit_s)


def _load(entry: Entry, limit_s: float) -> Discovered:
    mend = f"repair or uninstall {entry.distribution or 'its package'}, or {how_to_deny(entry.name)}"
    point = entry.point
    if point is None or entry.error:
        return _failed(entry, entry.error, mend)
    logger.debug("backend %s: import %s", entry.name, point.value)  # the last line in the log if that ends the process
    try:
        checked = within(lambda: check_descriptor(point.load(), expected_name=point.name), limit_s)
    except KeyboardInterrupt:
        raise
    except NotABackend as error:
        return _failed(entry, message_line(error), error.remedy)
    except PluginHangs as error:
        failed = _failed(entry, f"{point.value} does not import: {error}", mend)
    except BaseException as error:  # a plugin that calls sys.exit() must not end the server either
        reason = f"{point.value} failed to import: {reason_of(error)}"
        failed = _failed(entry, reason, mend, trace(error))
    else:
        identity = (entry.name, entry.distribution, entry.version, point.value)
        return Discovered(*identity, backend=checked.own, checked=checked)
    logger.warning("backend %s (%s) is skipped: %s", entry.name, entry.distribution, failed.error)
    return failed


def _clash(name: str, rivals: Sequence[Entry]) -> tuple[str, str]:
    """Return what is wrong when one name is offered more than once, and its remedy."""
    owners = list(dict.fromkeys(rival.distribution for rival in rivals))
    if len(owners) == 1:
        values = ", ".join(rival.value for rival in rivals)
        return f"{owners[0]} offers {len(rivals)} backends named {name!r}: {values}", f"repair or uninstall {owners[0]}"
    listed = ", ".join(owners)
    others = [owner for owner in owners if owner != OWN]
    return (
        f"{len(owners)} distributions offer a backend named {name!r}: {listed}",
        f"uninstall {', '.join(others)}" if OWN in owners else f"uninstall all but one of them: {listed}",
    )


def _excluded(
    name: str, allow: Collection[str] | None, deny: Collection[str], entry: Entry | None = None
) -> Discovered | None:
    if name in deny:
        reason, remedy = "excluded by the deny list", f"remove {name!r} from {_DENY}"
    elif allow is not None and name not in allow:
        reason, remedy = "not in the allow list", f"add {name!r} to {_ALLOW}"
    else:
        return None
    if entry is None:
        return Discovered(name, "", "", "register()", error=reason, remedy=remedy)
    return _failed(entry, reason, remedy)


def _failed(entry: Entry, error: str, remedy: str, traceback: str | None = None) -> Discovered:
    return Discovered(
        entry.name, entry.distribution, entry.version, entry.value, error=error, traceback=traceback, remedy=remedy
    )


def _not_installed(name: str, names: Collection[str]) -> Discovered:
    error = f"no backend named {name!r} is installed{did_you_mean(name, names)}"
    return Discovered(name, "", "", "", error=error, remedy=f"install its package, or correct {_ALLOW}")
