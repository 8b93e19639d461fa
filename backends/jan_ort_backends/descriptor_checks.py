"""Whether what an entry point loads is a backend that this version can use."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

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


def check_descriptor(loaded: object, expected_name: str | None = None) -> Backend:
    """Return ``loaded`` (an instance of it, if it is a class) as a backend; ``expected_name`` is the entry point's.

    Raises: NotABackend; whatever the plugin's own code raises.
    """
    backend = loaded() if isinstance(loaded, type) else loaded
    missing = ", ".join(attribute for attribute in _OWED if not hasattr(backend, attribute))
    if missing:  # a subclass of Backend inherits no name, abi and capabilities
        raise NotABackend(f"{backend!r:.200} is not a backend: it lacks {missing}", "see jan_ort_backends.Backend")
    for reason, remedy in (*_identity_faults(backend, expected_name), *_ability_faults(backend)):
        raise NotABackend(reason, remedy)
    return cast(Backend, backend)


def _identity_faults(backend: Any, expected: str | None) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with name and abi, and the remedy."""
    name, abi, major = backend.name, backend.abi, ABI.partition(".")[0]
    if not isinstance(name, str) or not name:
        yield f"the backend's name is {name!r:.80}", "give it a name, a text"
    if expected not in (None, name):
        yield f"the entry point is named {expected!r} and the backend {name!r:.80}", "give both the same name"
    if not isinstance(abi, str) or re.fullmatch(r"[0-9]+\.[0-9]+", abi) is None:
        yield (
            f"its abi is {abi!r:.80}, which is no text of the form MAJOR.MINOR",
            f"state the version of the backend interface that it was written for, such as {ABI!r}",
        )
    elif abi.partition(".")[0] != major:
        yield (
            f"it was written for version {abi} of the backend interface and this is version {ABI}",
            f"install a release of the plugin for interface {major}.x",
        )


def _ability_faults(backend: Any) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with methods, capabilities and built-in models, and the remedy."""
    for method in _METHODS:
        if not callable(getattr(backend, method)):
            yield f"its {method} is {getattr(backend, method)!r:.80}, which is no method", f"define {method}()"
    known = [str(capability) for capability in Capability]
    declared, models = backend.capabilities, backend.builtin_models
    if isinstance(declared, str) or not isinstance(declared, Collection):
        remedy = f"declare a frozenset of these: {', '.join(known)}"
        yield f"its capabilities are {declared!r:.80}, a {type(declared).__name__}", remedy
        return
    for flag in (str(flag) for flag in declared if flag not in known):
        remedy = f"declare only these: {', '.join(known)}"
        yield f"it declares an unknown capability {flag!r:.80}{did_you_mean(flag, known)}", remedy
    remedy = "map names, which are texts, to folders, which are pathlib.Path"
    if not isinstance(models, Mapping):
        yield f"its builtin_models are {models!r:.80}, a {type(models).__name__}", remedy
        return
    for name, folder in models.items():
        if not isinstance(name, str) or not isinstance(folder, Path):
            yield f"its builtin_models have {name!r:.80}: {folder!r:.80}", remedy
