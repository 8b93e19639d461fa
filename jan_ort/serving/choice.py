"""Which models are served: the configured ones, else those the named backend brings itself, else the default ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE, Task, task_order
from jan_ort.models.folder import ModelFolder
from jan_ort.models.sources import find_source, split_provider
from jan_ort.models.sources.base import Known, Source, Wanted, check_mmproj
from jan_ort.models.sources.catalog import DEFAULT_CHAT_MODEL, DEFAULT_EMBEDDING_MODEL
from jan_ort.plugins.asking import ask_accepts
from jan_ort.plugins.builtin_models import builtin_models, check_builtin_model
from jan_ort.plugins.choice import (
    NoBackendError,
    check_allowed,
    check_backend,
    check_options,
    choose_backend,
    find_backends,
    why_no_backend,
)
from jan_ort.serving.found_model import FoundModel, on_provider
from jan_ort.serving.kept_weights import warn_of_kept_weights
from jan_ort.settings.schema import Settings
from jan_ort_backends import Accepts, Discovered


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """One model to serve: what it is to do, as what it was configured, and what that means.

    ``provider`` is what the backend is to compute it on, where the reference says so (``NAME@provider``); of
    ``is_twin`` the same model is served elsewhere, too. ``found`` is the model itself, where its folder was there when
    this was checked. ``draft`` is the model that guesses tokens for it, if any does; that one ``is_draft``.
    """

    task: Task
    reference: str
    source: Source
    provider: str | None = None
    is_twin: bool = False
    found: FoundModel | None = None
    draft: ModelChoice | None = None
    is_draft: bool = False

    @property
    def text(self) -> str:
        """What names the model in its reference."""
        return self.reference if self.provider is None else self.reference.rpartition("@")[0]

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from the others that are configured."""
        return self.task.name, self.reference

    def wanted(self, settings: Settings) -> Wanted:
        """Return what is made of the source."""
        return Wanted(
            self.task,
            settings.weights,
            settings.memory_limit_mb,
            settings.pooling,
            self._mmproj(settings),
            settings.embedding_weights,
        )

    def _mmproj(self, settings: Settings) -> str | None:
        if self.is_draft:
            return "none" if self.source.takes_mmproj else None
        return settings.mmproj if self.task == GENERATE else None

    def own(self, settings: Settings) -> Settings:
        """Return the settings that count for this model: its provider before that of all."""
        return on_provider(settings, self.provider)

    def read(self, path: Path) -> ModelFolder:
        """Return its folder, named as it is served: a twin by its provider, too. Raises: ModelFolderError."""
        folder = self.source.read(path)
        is_named = self.is_twin and self.provider is not None
        return replace(folder, name=f"{folder.name}@{self.provider}") if is_named else folder


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
    for choice in with_drafts(choices):
        check_conversion(choice, settings, discovered)
        warn_of_kept_weights(choice.source, choice.wanted(settings), settings)
    choices = tuple(_with_backend(choice, settings, discovered) for choice in choices)
    for choice in with_drafts(choices):
        check_provider(choice, settings, discovered)
    return Checked(discovered, choices)


def with_drafts(choices: Sequence[ModelChoice]) -> list[ModelChoice]:
    """Return these models, and those that guess tokens for them."""
    return [*choices, *(each.draft for each in choices if each.draft is not None)]


def _with_backend(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> ModelChoice:
    """Return the choice of a model that is there already with its folder and the backend that takes it.

    Raises: NoBackendError, CacheError, ModelFolderError, ConversionError.
    """
    if settings.load == "request":
        return choice  # the others can be served, and this one says what is wrong when it is asked for
    if choice.draft is not None:
        choice = replace(choice, draft=_with_backend(choice.draft, settings, discovered))
    path = choice.source.present(choice.wanted(settings), settings.cache_dir)
    if path is None:
        choice.source.check(choice.wanted(settings))
        return choice
    return replace(choice, found=find_in(path, choice, settings, discovered))


def find_in(path: Path, choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> FoundModel:
    """Return the model in a folder with the backend that takes it. Raises: NoBackendError, ModelFolderError."""
    return FoundModel(choice.read(path), choose_backend(settings.backend, path, discovered), choice.provider)


def found_here(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> FoundModel | None:
    """Return a model that is there, with what guesses tokens for it; None if one of them is to be made first.

    Raises: NoBackendError, CacheError, ModelFolderError.
    """
    path = choice.source.present(choice.wanted(settings), settings.cache_dir)
    draft = None if choice.draft is None else found_here(choice.draft, settings, discovered)
    if path is None or (choice.draft is not None and draft is None):
        return None
    return replace(find_in(path, choice, settings, discovered), draft=draft)


def choose_models(settings: Settings, discovered: Sequence[Discovered]) -> tuple[ModelChoice, ...]:
    """Return the models to serve, in the order of their tasks. Raises: ModelReferenceError, NoBackendError."""
    known = known_names(settings, discovered)
    chosen = [choose_model(*each, settings, discovered, known) for each in configured_models(settings, discovered)]
    _check_mmproj([choice for choice in chosen if choice.task == GENERATE], settings.mmproj)
    chosen = drafted(distinct(chosen), choose_draft(settings, discovered, known))
    return tuple(sorted(chosen, key=lambda choice: task_order(choice.task)))


def choose_draft(settings: Settings, discovered: Sequence[Discovered], known: Known) -> ModelChoice | None:
    """Return the model that guesses tokens for the others, None without one. Raises: as ``choose_model``."""
    if settings.draft_model is None:
        return None
    try:
        return replace(choose_model(GENERATE, settings.draft_model, settings, discovered, known), is_draft=True)
    except ModelReferenceError as error:
        raise ModelReferenceError(f"--draft-model {settings.draft_model}: {error}") from error


def drafted(choices: Iterable[ModelChoice], draft: ModelChoice | None) -> list[ModelChoice]:
    """Return the choices, those that generate with the model that guesses tokens for them."""
    return [replace(each, draft=draft) if each.task == GENERATE else each for each in choices]


def _check_mmproj(generating: Sequence[ModelChoice], mmproj: str | None) -> None:
    """Check that there is one model that an mmproj file can be for. Raises: ModelReferenceError."""
    for choice in generating:
        check_mmproj(choice.source, mmproj)
    if mmproj not in (None, "none") and len({choice.source for choice in generating}) != 1:
        raise ModelReferenceError(
            f"--mmproj names a file for one model, and {len(generating)} generate; put each beside its model"
        )


def distinct(choices: Iterable[ModelChoice]) -> list[ModelChoice]:
    """Return each choice once, with those marked that are one model for one task on several providers."""
    given = list({choice.key: choice for choice in choices}.values())
    meant = [(choice.task, choice.source) for choice in given]
    return [replace(choice, is_twin=meant.count(each) > 1) for choice, each in zip(given, meant, strict=True)]


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
    builtin = builtin_models(discovered, settings.backend)
    return Known(builtin, settings.cache_dir, settings.weights, settings.embedding_weights)


def choose_model(
    task: Task | None, reference: str, settings: Settings, discovered: Sequence[Discovered], known: Known
) -> ModelChoice:
    """Return what one configured model is; one that does not say what it is for generates.

    Raises: ModelReferenceError, NoBackendError.
    """
    text, provider = split_provider(reference, known)
    check_builtin_model(text, discovered, settings.backend)
    try:
        source = find_source(text, known, task=task)
    except ModelReferenceError as error:
        if provider is None:
            raise
        raise ModelReferenceError(f"{error} ({reference!r} has {provider!r} for its provider)") from error
    return ModelChoice(task or source.known_task(settings.cache_dir) or GENERATE, reference, source, provider)


def check_provider(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> None:
    """Check that a backend that may open the model takes its provider. Raises: NoBackendError with what there is."""
    if choice.provider is None:
        return
    name = settings.backend if choice.found is None else choice.found.backend.name
    if reasons := why_no_backend(choice.own(settings), name, discovered):
        raise NoBackendError(f"the model {choice.reference!r} cannot run on provider {choice.provider!r}: {reasons}")


def check_conversion(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> None:
    """Refuse to convert a file, unasked, for a backend that reads it as it is. Raises: ModelReferenceError."""
    backend, path = settings.backend, choice.source.file()
    if path is None or choice.task.encodes or "weights" in settings.model_fields_set:
        return
    for each in discovered:
        if each.name == backend and each.backend is not None and isinstance(ask_accepts(each.backend, path), Accepts):
            raise ModelReferenceError(f"backend {backend!r} reads {path} without conversion: add --weights as-is")


def _unconfigured(backend: str | None, discovered: Sequence[Discovered]) -> list[tuple[Task | None, str]]:
    for each in discovered:
        if each.name == backend and each.backend is not None and each.backend.builtin_models:
            own = next(iter(each.backend.builtin_models))
            can = each.backend.capabilities
            return [(task, own) for task in (GENERATE, EMBED) if task.capability in can]
    return [(GENERATE, DEFAULT_CHAT_MODEL), (EMBED, DEFAULT_EMBEDDING_MODEL)]
