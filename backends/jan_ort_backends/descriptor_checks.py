"""Whether what an entry point loads is a backend that this version can use."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import cast

from jan_ort_backends.checked_backend import CheckedBackend
from jan_ort_backends.errors import BackendError
from jan_ort_backends.interface import ABI, Backend, Capability
from jan_ort_backends.spelling import did_you_mean

_METHODS = ("probe", "accepts", "open")
_OWED = ("name", "abi", "capabilities", "builtin_models", *_METHODS)


class NotABackend(BackendError):
    """Raised when a plugin loaded but is not a backend that this version can use; ``remedy`` says what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def check_descriptor(loaded: object, expected_name: str | None = None) -> CheckedBackend:
    """Return ``loaded`` (an instance of it, if it is a class) as a backend, each of its fields being read once.

    ``expected_name`` is the entry point's. Raises: NotABackend; whatever the plugin's own code raises.
    """
    candidate = loaded() if isinstance(loaded, type) else loaded
    found = _read(candidate)
    name = _checked_name(found["name"], expected_name)
    abi = _checked_abi(found["abi"])
    for method in _METHODS:
        if not callable(found[method]):
            raise NotABackend(f"its {method} is {found[method]!r:.80}, which is no method", f"define {method}()")
    capabilities = _checked_capabilities(found["capabilities"])
    models = _checked_models(found["builtin_models"])
    return CheckedBackend(cast(Backend, candidate), name, abi, capabilities, models)


def _read(candidate: object) -> Mapping[str, object]:
    """Return all that a backend owes, by name; a second look at a property might find something else."""
    found: dict[str, object] = {}
    for attribute in _OWED:  # all are asked of a subclass of Backend, too: it inherits no name
        with suppress(AttributeError):
            found[attribute] = getattr(candidate, attribute)
    missing = ", ".join(attribute for attribute in _OWED if attribute not in found)
    if missing:
        raise NotABackend(f"{candidate!r:.200} is not a backend: it lacks {missing}", "see jan_ort_backends.Backend")
    return found


def _checked_name(name: object, expected: str | None) -> str:
    if not isinstance(name, str) or not name:
        raise NotABackend(f"the backend's name is {name!r:.80}", "give it a name, a text")
    if expected is not None and name != expected:
        raise NotABackend(
            f"the entry point is named {expected!r} and the backend {name!r}",
            "give both the same name",
        )
    return str.__str__(name)


def _checked_abi(abi: object) -> str:
    major = ABI.partition(".")[0]
    if not isinstance(abi, str) or re.fullmatch(r"[0-9]+\.[0-9]+", abi) is None:
        raise NotABackend(
            f"its abi is {abi!r:.80}, which is no text of the form MAJOR.MINOR",
            f"state the version of the backend interface that it was written for, such as {ABI!r}",
        )
    if abi.partition(".")[0] != major:
        raise NotABackend(
            f"it was written for version {abi} of the backend interface and this is version {ABI}",
            f"install a release of the plugin for interface {major}.x",
        )
    return str.__str__(abi)


def _checked_capabilities(declared: object) -> frozenset[Capability]:
    known = [str(capability) for capability in Capability]
    if isinstance(declared, str) or not isinstance(declared, Collection):
        raise NotABackend(
            f"its capabilities are {declared!r:.80}, a {type(declared).__name__}",
            f"declare a frozenset of these: {', '.join(known)}",
        )
    flags = tuple(declared)
    for flag in flags:
        if not isinstance(flag, str) or flag not in known:
            raise NotABackend(
                f"it declares an unknown capability {str(flag)!r:.80}{did_you_mean(str(flag), known)}",
                f"declare only these: {', '.join(known)}",
            )
    return frozenset(map(Capability, flags))


def _checked_models(declared: object) -> Mapping[str, Path]:
    remedy = "map names, which are texts, to folders, which are pathlib.Path"
    if not isinstance(declared, Mapping):
        raise NotABackend(f"its builtin_models are {declared!r:.80}, a {type(declared).__name__}", remedy)
    models = dict(declared)
    for name, folder in models.items():
        if not isinstance(name, str) or not isinstance(folder, Path):
            raise NotABackend(f"its builtin_models have {name!r:.80}: {folder!r:.80}", remedy)
    return MappingProxyType({str.__str__(name): Path(folder) for name, folder in models.items()})
