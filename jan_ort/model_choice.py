"""Which models are served: the configured ones, else those the named backend brings itself, else the default ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jan_ort.backend_choice import builtin_models, check_allowed, check_backend, find_backends
from jan_ort.models.catalog import DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL, Task
from jan_ort.models.errors import ModelReferenceError
from jan_ort.models.hub_task import cached_task
from jan_ort.models.reference import GgufReference, HubReference, check_reference
from jan_ort.settings import Settings
from jan_ort_backends import Accepts, Capability, Discovered
from jan_ort_backends.isolation import ask_accepts

_NEEDED: Mapping[Task, Capability] = {"generate": Capability.GENERATE, "embed": Capability.EMBED}


class ModelChoice(NamedTuple):
    """One model to serve, as it was configured, and what it is to do."""

    task: Task
    reference: str


def choose_models(settings: Settings, discovered: Sequence[Discovered]) -> tuple[ModelChoice, ...]:
    """Return the models to serve, those that generate first. Raises: ModelReferenceError."""
    if settings.model is None and settings.embedding_model is None:
        return _unconfigured(settings.backend, discovered)
    own = builtin_models(discovered)
    stated = [ModelChoice(_task(each, settings, own), each) for each in settings.model or ()]
    chosen = [*stated, *(ModelChoice("embed", each) for each in settings.embedding_model or ())]
    return tuple(sorted(dict.fromkeys(chosen), key=lambda choice: choice.task != "generate"))


def check_settings(settings: Settings) -> tuple[Discovered, ...]:
    """Check all that can be checked before anything is started, and return the backends.

    Raises: NoBackendError, ModelReferenceError.
    """
    discovered = find_backends(settings)
    check_allowed(settings, discovered)
    check_backend(settings.backend, discovered)
    own = builtin_models(discovered)
    for task, reference in choose_models(settings, discovered):
        found = check_reference(reference, task=task, weights=settings.weights, builtin_models=own)
        if isinstance(found, GgufReference) and "weights" not in settings.model_fields_set:
            _check_conversion(found.path, settings.backend, discovered)
    return discovered


def _check_conversion(path: Path, backend: str | None, discovered: Sequence[Discovered]) -> None:
    """Refuse to convert a file, unasked, for a backend that reads it as it is. Raises: ModelReferenceError."""
    for each in discovered:
        if each.name == backend and each.backend is not None and isinstance(ask_accepts(each.backend, path), Accepts):
            raise ModelReferenceError(f"backend {backend!r} reads {path} without conversion: add --weights as-is")


def _unconfigured(backend: str | None, discovered: Sequence[Discovered]) -> tuple[ModelChoice, ...]:
    for each in discovered:
        if each.name == backend and each.backend is not None and each.backend.builtin_models:
            own = next(iter(each.backend.builtin_models))
            can = each.backend.capabilities
            return tuple(ModelChoice(task, own) for task, needed in _NEEDED.items() if needed in can)
    return ModelChoice("generate", DEFAULT_CHAT_MODEL), ModelChoice("embed", DEFAULT_EMBEDDING_MODEL)


def _task(reference: str, settings: Settings, own: Mapping[str, Path]) -> Task:
    """Return what a model is for that was configured without saying so; a repository that is not cached generates.

    Raises: ModelReferenceError if it can be for nothing.
    """
    try:
        found = check_reference(reference, task="generate", weights=settings.weights, builtin_models=own)
    except ModelReferenceError as error:
        try:
            check_reference(reference, task="embed", weights=settings.weights, builtin_models=own)
        except ModelReferenceError:
            raise error from None
        return "embed"
    known = cached_task(found, settings.cache_dir) if isinstance(found, HubReference) else None
    return known or "generate"
