"""Find the installed backends by their entry points, and keep one broken plugin from the next (hop 6)."""

from __future__ import annotations

import difflib
import logging
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from jan_ort_backends.errors import BackendError
from jan_ort_backends.interface import ABI, Backend, Capability
from jan_ort_backends.isolation import LIMIT_S, PluginHangs, one_line, within

logger = logging.getLogger(__name__)

GROUP = "jan_ort.backends"
"""The entry-point group that plugins register in."""

_registered: dict[str, Backend] = {}


@dataclass(frozen=True, slots=True)
class Discovered:
    """One backend that is installed, was registered, or was asked for: usable, or the reason why it is not.

    ``value`` is what the entry point names ("module:attribute"). ``backend`` is None if and only if ``error``, one
    line, is set; ``traceback`` is there when the plugin's own code raised; ``remedy`` is what to do about it.
    """

    name: str
    distribution: str
    version: str
    value: str
    backend: Backend | None = None
    error: str | None = None
    traceback: str | None = None
    remedy: str | None = None


class _Rejected(BackendError):
    """Raised when a plugin loaded but is not a backend that this version can use."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def register(backend: Backend) -> None:
    """Add a backend beside the entry points, for tests and embedding; it shadows an entry point of the same name.

    Raises: BackendError if it is no backend, was written for another abi, or its name is registered already.
    """
    checked = _check_descriptor(backend)
    if checked.name in _registered:
        raise BackendError(
            f"a backend named {checked.name!r} is registered already; unregister({checked.name!r}) first"
        )
    _registered[checked.name] = checked


def unregister(name: str) -> None:
    """Remove a backend that ``register`` added. Raises: BackendError if there is none of this name."""
    if name not in _registered:
        raise BackendError(f"no backend named {name!r} was registered{_did_you_mean(name, _registered)}")
    del _registered[name]


def discover(
    *, allow: Collection[str] | None = None, deny: Collection[str] = (), limit_s: float = LIMIT_S
) -> tuple[Discovered, ...]:
    """List every backend, loaded if it can be: registered ones first, then the entry points by name.

    A plugin that is not in ``allow`` (None allows all) or is in ``deny`` is listed with that reason, and its code is
    never imported. A plugin that fails in any way, or takes longer than ``limit_s`` to import, is listed with its
    error; nothing but KeyboardInterrupt is raised. Not to be called while a module is being imported.
    """
    found = [
        _excluded(name, allow, deny) or Discovered(name, "", "", "register()", backend=backend)
        for name, backend in _registered.items()
    ]
    points = sorted(
        (point for point in entry_points(group=GROUP) if point.name not in _registered),
        key=lambda point: (point.name, _origin(point)),
    )
    for point in points:
        owners = [_origin(other)[0] for other in points if other.name == point.name]
        found.append(_discover_one(point, allow, deny, owners, limit_s))
    names = {row.name for row in found}
    found.extend(_not_installed(name, names) for name in sorted(set(allow or ()) - names))
    for row in found:
        if row.traceback is not None:
            logger.warning("backend %s (%s) is skipped: %s", row.name, row.distribution, row.error)
    return tuple(found)


def _discover_one(
    point: EntryPoint,
    allow: Collection[str] | None,
    deny: Collection[str],
    owners: list[str],
    limit_s: float,
) -> Discovered:
    excluded = _excluded(point.name, allow, deny, point)
    if excluded is not None:
        return excluded
    if len(owners) > 1:
        return _failed(
            point,
            f"{len(owners)} distributions offer a backend named {point.name!r}: {', '.join(owners)}",
            f"uninstall all but one of them: {', '.join(owners)}",
        )
    mend = f"repair or uninstall {_origin(point)[0]}, or exclude {point.name!r} by the deny list"
    try:
        backend = within(lambda: _check_descriptor(point.load(), expected_name=point.name), limit_s)
    except KeyboardInterrupt:
        raise
    except _Rejected as error:
        return _failed(point, str(error), error.remedy)
    except PluginHangs as error:
        return _failed(point, f"{point.value} does not import: {error}", mend)
    except BaseException as error:  # a plugin that calls sys.exit() must not end the server either
        return _failed(point, f"{point.value} failed to import: {one_line(error)}", mend, traceback.format_exc())
    distribution, version = _origin(point)
    return Discovered(point.name, distribution, version, point.value, backend=backend)


def _check_descriptor(loaded: object, expected_name: str | None = None) -> Backend:
    """Return ``loaded`` (an instance of it, if it is a class) as a backend. Raises: _Rejected."""
    candidate = loaded() if isinstance(loaded, type) else loaded
    if not isinstance(candidate, Backend):
        owed = ("name", "abi", "capabilities", "builtin_models", "probe", "accepts", "open")
        missing = ", ".join(attribute for attribute in owed if not hasattr(candidate, attribute))
        raise _Rejected(f"{candidate!r} is not a backend: it lacks {missing}", "see jan_ort_backends.Backend")
    _check_abi(candidate.abi)
    _check_capabilities(candidate.capabilities)
    dict(candidate.builtin_models)  # what is no mapping, or computed and fails, must fail here
    if expected_name is not None and candidate.name != expected_name:
        raise _Rejected(
            f"the entry point is named {expected_name!r} and the backend {candidate.name!r}",
            "give both the same name",
        )
    return candidate


def _check_abi(abi: str) -> None:
    if str(abi).partition(".")[0] != ABI.partition(".")[0]:
        raise _Rejected(
            f"it was written for version {abi} of the backend interface and this is version {ABI}",
            f"install a release of the plugin for interface {ABI.partition('.')[0]}.x",
        )


def _check_capabilities(capabilities: Iterable[str]) -> None:
    known = [str(capability) for capability in Capability]
    for flag in capabilities:
        if flag not in known:
            raise _Rejected(
                f"it declares an unknown capability {str(flag)!r}{_did_you_mean(str(flag), known)}",
                f"declare only these: {', '.join(known)}",
            )


def _excluded(
    name: str, allow: Collection[str] | None, deny: Collection[str], point: EntryPoint | None = None
) -> Discovered | None:
    if name in deny:
        reason, remedy = "excluded by the deny list", f"remove {name!r} from the deny list"
    elif allow is not None and name not in allow:
        reason, remedy = "not in the allow list", f"add {name!r} to the allow list"
    else:
        return None
    if point is None:
        return Discovered(name, "", "", "register()", error=reason, remedy=remedy)
    return _failed(point, reason, remedy)


def _failed(point: EntryPoint, error: str, remedy: str, trace: str | None = None) -> Discovered:
    distribution, version = _origin(point)
    return Discovered(point.name, distribution, version, point.value, error=error, traceback=trace, remedy=remedy)


def _not_installed(name: str, names: Collection[str]) -> Discovered:
    error = f"no backend named {name!r} is installed{_did_you_mean(name, names)}"
    return Discovered(name, "", "", "", error=error, remedy="install its package, or correct the allow list")


def _origin(point: EntryPoint) -> tuple[str, str]:
    """Return the distribution's name and version; empty where the metadata has none."""
    return (point.dist.name or "", point.dist.version or "") if point.dist is not None else ("", "")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
