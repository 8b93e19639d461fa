"""Which models are served: the configured ones, else those the named backend brings itself, else the default ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jan_ort.backend_choice import builtin_models, check_backend
from jan_ort.models.catalog import DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL, Task
from jan_ort.models.reference import check_reference
from jan_ort.settings import Settings
from jan_ort_backends import Capability, Discovered, discover

_NEEDED: Mapping[Task, Capability] = {"generate": Capability.GENERATE, "embed": Capability.EMBED}


def choose_models(settings: Settings, discovered: Sequence[Discovered]) -> dict[Task, str]:
    """Return the model references to serve, by task; a task that nothing is configured for is left out."""
    if settings.model is not None or settings.embedding_model is not None:
        configured: dict[Task, str | None] = {"generate": settings.model, "embed": settings.embedding_model}
        return {task: reference for task, reference in configured.items() if reference is not None}
    for each in discovered:
        if each.name == settings.backend and each.backend is not None and each.backend.builtin_models:
            own = next(iter(each.backend.builtin_models))
            return {task: own for task, needed in _NEEDED.items() if needed in each.backend.capabilities}
    return {"generate": DEFAULT_CHAT_MODEL, "embed": DEFAULT_EMBEDDING_MODEL}


def check_settings(settings: Settings) -> tuple[Discovered, ...]:
    """Check all that can be checked before anything is started, and return the backends.

    Raises: NoBackendError, ModelReferenceError.
    """
    discovered = discover()
    check_backend(settings.backend, discovered)
    own = builtin_models(discovered)
    for task, reference in choose_models(settings, discovered).items():
        check_reference(reference, task=task, weights=settings.weights, builtin_models=own)
    return discovered
