"""Whether what an entry point loads is a backend that this version can use."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, cast

from jan_ort_backends.errors import BackendError
from jan_ort_backends.interface import ABI, Backend, Capability
from jan_ort_backends.spelling import did_you_mean

_KNOWN = tuple(map(str, Capability))
_FIELDS: Mapping[str, tuple[Callable[[Any], object], str]] = {
    "name": (lambda name: isinstance(name, str), "text"),
    "abi": (
        lambda abi: isinstance(abi, str) and re.fullmatch(r"[0-9]+\.[0-9]+", abi),
        f"text of the form MAJOR.MINOR, such as {ABI!r}",
    ),
    "capabilities": (
        lambda flags: isinstance(flags, Collection) and not isinstance(flags, str),
        f"frozenset of these: {', '.join(_KNOWN)}",
    ),
    "builtin_models": (
        lambda models: (
            isinstance(models, Mapping)
            and all(isinstance(name, str) and isinstance(folder, Path) for name, folder in models.items())
        ),
        "mapping of names, which are texts, to folders, which are pathlib.Path",
    ),
    **dict.fromkeys(("probe", "accepts", "open"), (callable, "method")),
}
"""What a backend has: how each is told, and what it is."""


class NotABackend(BackendError):
    """Raised when a plugin loaded but is not a backend that this version can use."""


def check_descriptor(loaded: object, expected_name: str | None = None) -> Backend:
    """Return ``loaded`` (an instance of it, if it is a class) as a backend; ``expected_name`` is the entry point's.

    Raises: NotABackend; whatever the plugin's own code raises.
    """
    backend = cast(Backend, loaded() if isinstance(loaded, type) else loaded)
    missing = ", ".join(field for field in _FIELDS if not hasattr(backend, field))
    if missing:  # a subclass of Backend inherits no name, abi and capabilities
        raise NotABackend(f"{backend!r:.200} is not a backend: it lacks {missing}; see jan_ort_backends.Backend")
    for field, (is_sound, kind) in _FIELDS.items():
        value = getattr(backend, field)
        if not is_sound(value):
            raise NotABackend(f"its {field} is {value!r:.200}, which is not a {kind}")
    if expected_name not in (None, backend.name):
        raise NotABackend(f"the entry point is named {expected_name!r} and the backend {backend.name!r:.80}")
    theirs, ours = backend.abi.partition(".")[0], ABI.partition(".")[0]
    if theirs != ours:
        reason = f"it was written for version {backend.abi} of the backend interface and this is version {ABI}"
        raise NotABackend(f"{reason}; install a release of it for {ours}.x")
    for flag in (str(flag) for flag in backend.capabilities if flag not in _KNOWN):
        raise NotABackend(f"it declares an unknown capability {flag!r:.80}{did_you_mean(flag, _KNOWN)}")
    return backend
