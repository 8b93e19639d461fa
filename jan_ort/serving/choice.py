"""Which models are served: the configured ones, else those the named backend brings itself, else the default ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE, TASKS, Task, task_order
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Source, Wanted
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL
from jan_ort.plugins.asking import ask_accepts
from jan_ort.plugins.builtin_models import builtin_models, check_builtin_model
from jan_ort.plugins.choice import check_allowed, check_backend, check_options, choose_backend, find_backends
from jan_ort.settings.schema import Settings
from jan_ort_backends import Accepts, Backend, Discovered


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine that is not loaded: its folder, and the backend that opens it."""

    folder: ModelFolder
    backend: Backend


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model to serve: what it is to do, as what it was configured, and what that means.

    ``found`` is the model itself, where its folder was there when this was checked.
    """

    task: Task
    reference: str
    source: Source
    found: FoundModel | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others that are configured."""
        return self.task.name, self.reference

    def wanted(self, settings: Settings) -> Wanted:
        """Return what is made of the source."""
        return Wanted(self.task, settings.weights, settings.memory_limit_mb)


class Checked(NamedTuple):
    """What checking the settings has found: the backends, and the models to serve."""

    discovered: tuple[Discovered, ...]
    choices: tuple[ModelChoice, ...]


def check_settings(settings: Settings) -> Checked:
    """Check all that can be checked before anything is started. Raises: NoBackendError, ModelReferenceError."""
    discovered = find_backends(settings)
    check_allowed(settings, discovered)
    check_backend(settings.backend, discovered)
    check_options(settings, discovered)
    choices = choose_models(settings, discovered)
    for choice in choices:
        check_conversion(choice, settings, discovered)
    return Checked(discovered, tuple(_with_backend(choice, settings, discovered) for choice in choices))


def _with_backend(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> ModelChoice:
    """Return the choice of a model that is there already with its folder and the backend that takes it.

    Raises: NoBackendError, CacheError, ModelFolderError.
    """
    if settings.load == "request":
        return choice  # the others can be served, and this one says what is wrong when it is asked for
    path = choice.source.present(choice.wanted(settings), settings.cache_dir)
    return choice if path is None else replace(choice, found=find_in(path, choice.source, settings, discovered))


def find_in(path: Path, source: Source, settings: Settings, discovered: Sequence[Discovered]) -> FoundModel:
    """Return the model in a folder with the backend that takes it. Raises: NoBackendError, ModelFolderError."""
    return FoundModel(source.read(path), choose_backend(settings.backend, path, discovered))


def choose_models(settings: Settings, discovered: Sequence[Discovered]) -> tuple[ModelChoice, ...]:
    """Return the models to serve, in the order of their tasks. Raises: ModelReferenceError, NoBackendError."""
    known = known_names(settings, discovered)
    chosen = [choose_model(*each, settings, discovered, known) for each in configured_models(settings, discovered)]
    once = {(choice.task, choice.reference): choice for choice in chosen}
    return tuple(sorted(once.values(), key=lambda choice: task_order(choice.task)))


def configured_models(settings: Settings, discovered: Sequence[Discovered]) -> list[tuple[Task | None, str]]:
    """Return every model as it is configured, with its task where that was said."""
    if settings.model is None and settings.embedding_model is None:
        return _unconfigured(settings.backend, discovered)
    return [
        *((None, each) for each in settings.model or ()),
        *((EMBED, each) for each in settings.embedding_model or ()),
    ]


def known_names(settings: Settings, discovered: Sequence[Discovered]) -> Known:
    """Return what a configured name may mean: the backends' models, and those of the cache."""
    return Known(builtin_models(discovered, settings.backend), settings.cache_dir, settings.weights)


def choose_model(
    task: Task | None, reference: str, settings: Settings, discovered: Sequence[Discovered], known: Known
) -> ModelChoice:
    """Return what one configured model is; one that does not say what it is for generates.

    Raises: ModelReferenceError, NoBackendError.
    """
    check_builtin_model(reference, discovered, settings.backend)
    source = find_source(reference, known, task=task)
    return ModelChoice(task or source.known_task(settings.cache_dir) or GENERATE, reference, source)


def check_conversion(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> None:
    """Refuse to convert a file, unasked, for a backend that reads it as it is. Raises: ModelReferenceError."""
    backend, path = settings.backend, choice.source.file()
    if path is None or "weights" in settings.model_fields_set:
        return
    for each in discovered:
        if each.name == backend and each.backend is not None and isinstance(ask_accepts(each.backend, path), Accepts):
            raise ModelReferenceError(f"backend {backend!r} reads {path} without conversion: add --weights as-is")


def _unconfigured(backend: str | None, discovered: Sequence[Discovered]) -> list[tuple[Task | None, str]]:
    for each in discovered:
        if each.name == backend and each.backend is not None and each.backend.builtin_models:
            own = next(iter(each.backend.builtin_models))
            can = each.backend.capabilities
            return [(task, own) for task in TASKS if task.capability in can]
    return [(GENERATE, DEFAULT_CHAT_MODEL), (EMBED, DEFAULT_EMBEDDING_MODEL)]
