"""What a backend may tell the doctor about its execution providers, beyond ``probe``."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort_backends.interface import Backend


@dataclass(frozen=True, slots=True)
class ProviderTruth:
    """One execution provider, or one library that should have brought one.

    ``registered``: the runtime knows it. ``usable``: a small graph was run on it just now, and on nothing else.
    ``detail`` says what ran or why not, ``remedy`` what to do; both may be empty.
    """

    name: str
    registered: bool
    usable: bool
    detail: str = ""
    remedy: str = ""


def diagnose_providers(backend: Backend) -> tuple[ProviderTruth, ...]:
    """Return what ``backend.diagnose_providers()`` finds, nothing if the backend has no such method.

    The method is optional and may take seconds: it opens a small graph on each provider. Raises what it raises.
    """
    ask = getattr(backend, "diagnose_providers", None)
    return () if ask is None else tuple(ask())
