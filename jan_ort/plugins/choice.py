"""Which backend opens a model folder: the one asked for, else the first that accepts it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jan_ort.plugins.asking import ask_accepts, why_not_options, within
from jan_ort.plugins.report import report_backend
from jan_ort.settings.schema import Settings, split_option
from jan_ort_backends import Accepts, Backend, Discovered, discover
from jan_ort_backends.spelling import did_you_mean

BACKEND_LISTS = ("allow_backend", "deny_backend")
"""The settings that say which plugins may be imported."""


class NoBackendError(Exception):
    """Raised when no backend can open a model; the message gives each backend's own reason."""


def find_backends(settings: Settings) -> tuple[Discovered, ...]:
    """Return the installed backends, each imported within a time limit.

    Those that BACKEND_LISTS exclude are listed, and their code is never imported.
    """
    return discover(allow=settings.allow_backend, deny=settings.deny_backend, importing=within)


def check_allowed(settings: Settings, discovered: Sequence[Discovered]) -> None:
    """Check that each allowed backend is installed; a denied one need not be. Raises: NoBackendError."""
    for each in discovered:
        if not each.is_installed and each.name in (settings.allow_backend or ()):
            raise NoBackendError(
                f"--allow-backend (JAN_ORT_ALLOW_BACKEND) has {each.name!r}: {each.error} ({_installed(discovered)})"
            )


def check_options(settings: Settings, discovered: Sequence[Discovered]) -> None:
    """Check the backends' options as far as that can be done without a model. Raises: NoBackendError."""
    for given in settings.backend_option:
        backend = split_option(given)[0]
        if backend is not None and backend not in (each.name for each in discovered):
            raise NoBackendError(
                f"--backend-option (JAN_ORT_BACKEND_OPTION) has {given!r}, and there is no backend named {backend!r} "
                f"({_installed(discovered)})"
            )
    if told := why_no_backend(settings, settings.backend, discovered):
        raise NoBackendError(f"--backend-option (JAN_ORT_BACKEND_OPTION) is taken by no backend: {told}")


def why_no_backend(settings: Settings, name: str | None, discovered: Sequence[Discovered]) -> str:
    """Return why each backend, or the one of a name, refuses the options; "" if one takes them."""
    reasons = [
        (each.name, why_not_options(each.backend, settings.options_of(each.name)))
        for each in discovered
        if each.backend is not None and name in (None, each.name)
    ]
    return "" if None in dict(reasons).values() else "; ".join(f"{name}: {reason}" for name, reason in reasons)


def check_backend(name: str | None, discovered: Sequence[Discovered]) -> None:
    """Check that the backend asked for exists and can be used. Raises: NoBackendError."""
    if name is None:
        return
    found = next((each for each in discovered if each.name == name), None)
    if found is None:
        hint = did_you_mean(name, (each.name for each in discovered))
        raise NoBackendError(f"there is no backend named {name!r}{hint} ({_installed(discovered)})")
    if found.backend is None:
        raise NoBackendError(f"backend {name!r} cannot be used: {found.error}; {found.remedy}")


def _installed(discovered: Sequence[Discovered]) -> str:
    return "installed: " + ", ".join(sorted(each.name for each in discovered if each.is_installed))


def choose_backend(name: str | None, model_dir: Path, discovered: Sequence[Discovered]) -> Backend:
    """Return the backend to open ``model_dir`` with. Raises: NoBackendError with every backend's reason."""
    check_backend(name, discovered)
    reasons = []
    for each in discovered:
        if name is not None and each.name != name:
            continue
        reason = _why_not(each, model_dir)
        if reason is None and each.backend is not None:
            return each.backend
        reasons.append(f"{each.name}: {reason}")
    raise NoBackendError(f"no backend can open {model_dir}: " + "; ".join(reasons))


def _why_not(candidate: Discovered, model_dir: Path) -> str | None:
    """Return the candidate's own reason not to open the folder, None if it can."""
    report = report_backend(candidate)
    if candidate.backend is None or not report.usable:
        return f"{report.reason} ({report.remedy})"
    answer = ask_accepts(candidate.backend, model_dir)
    return None if isinstance(answer, Accepts) else answer.reason
