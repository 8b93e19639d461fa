"""What a backend may tell the doctor about its execution providers, beyond ``probe``."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort_backends.failure_text import plain
from jan_ort_backends.interface import Backend
from jan_ort_backends.isolation import InvalidAnswer, within

LIMIT_S = 120.0
"""How long a backend may try its providers; a GPU's first kernels may take a minute to compile."""


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


def diagnose_providers(backend: Backend, limit_s: float = LIMIT_S) -> tuple[ProviderTruth, ...]:
    """Return what ``backend.diagnose_providers()`` finds, nothing if the backend has no such method.

    The method is optional and may take seconds: it opens a small graph on each provider.
    Raises: what it raises, SystemExit and the like included; PluginFault.
    """
    return within(lambda: _diagnose(backend), limit_s)


def _diagnose(backend: Backend) -> tuple[ProviderTruth, ...]:
    ask = getattr(backend, "diagnose_providers", None)
    return () if ask is None else tuple(_checked(truth) for truth in ask())


def _checked(truth: object) -> ProviderTruth:
    """Return a copy of what was said of one provider. Raises: InvalidAnswer."""
    if not isinstance(truth, ProviderTruth):
        raise InvalidAnswer(f"it returned {truth!r:.80} among its providers, which is no ProviderTruth")
    texts = (truth.name, truth.detail, truth.remedy)
    if not all(isinstance(text, str) for text in texts):
        raise InvalidAnswer(f"it returned {truth!r:.80}, whose name, detail or remedy is no text")
    name, detail, remedy = map(plain, texts)
    return ProviderTruth(name, bool(truth.registered), bool(truth.usable), detail, remedy)
