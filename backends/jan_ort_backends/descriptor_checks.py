"""Whether what an entry point loads is a backend that this version can use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from jan_ort_backends.errors import BackendError
from jan_ort_backends.interface import ABI, Backend, Capability
from jan_ort_backends.spelling import did_you_mean

_OWED = ("name", "abi", "capabilities", "builtin_models", "probe", "accepts", "open")


class NotABackend(BackendError):
    """Raised when a plugin loaded but is not a backend that this version can use; ``remedy`` says what to do."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


def check_descriptor(loaded: object, expected_name: str | None = None) -> Backend:
    """Return ``loaded`` (an instance of it, if it is a class) as a backend.

    ``expected_name`` is the entry point's. Raises: NotABackend; whatever the plugin's own code raises.
    """
    candidate = loaded() if isinstance(loaded, type) else loaded
    missing = ", ".join(attribute for attribute in _OWED if not hasattr(candidate, attribute))
    if missing:  # asked of a subclass of Backend, too: it inherits no name
        raise NotABackend(f"{candidate!r:.200} is not a backend: it lacks {missing}", "see jan_ort_backends.Backend")
    assert isinstance(candidate, Backend), "it has all that a backend owes"
    _check_name(candidate.name, expected_name)
    _check_abi(candidate.abi)
    _check_capabilities(candidate.capabilities)
    _check_builtin_models(candidate)
    return candidate


def _check_name(name: object, expected: str | None) -> None:
    if not isinstance(name, str) or not name:
        raise NotABackend(f"the backend's name is {name!r:.80}", "give it a name, a text")
    if expected is not None and name != expected:
        raise NotABackend(
            f"the entry point is named {expected!r} and the backend {name!r}",
            "give both the same name",
        )


def _check_abi(abi: object) -> None:
    major = ABI.partition(".")[0]
    if str(abi).partition(".")[0] != major:
        raise NotABackend(
            f"it was written for version {abi} of the backend interface and this is version {ABI}",
            f"install a release of the plugin for interface {major}.x",
        )


def _check_capabilities(capabilities: object) -> None:
    known = [str(capability) for capability in Capability]
    if isinstance(capabilities, str) or not isinstance(capabilities, Collection):
        raise NotABackend(
            f"its capabilities are {capabilities!r:.80}, a {type(capabilities).__name__}",
            f"declare a frozenset of these: {', '.join(known)}",
        )
    for flag in capabilities:
        if flag not in known:
            raise NotABackend(
                f"it declares an unknown capability {str(flag)!r}{did_you_mean(str(flag), known)}",
                f"declare only these: {', '.join(known)}",
            )


def _check_builtin_models(candidate: Backend) -> None:
    # What is no mapping, or is computed and fails, must fail here.
    for name, folder in dict(candidate.builtin_models).items():
        if not isinstance(name, str) or not isinstance(folder, Path):
            raise NotABackend(
                f"its builtin_models have {name!r:.80}: {folder!r:.80}",
                "map names, which are texts, to folders, which are pathlib.Path",
            )
