"""The model cache, and whether the models that would be served are there."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from jan_ort.cli.doctor.report import CacheReport, ModelReport, Problem
from jan_ort.models.cache.cached_models import cached_models
from jan_ort.plugins.asking import PluginFault, within
from jan_ort.serving.choice import ModelChoice, find_in, found_here
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.served_tasks import served_task
from jan_ort.settings.schema import Settings
from jan_ort_backends import Discovered, ModelError

logger = logging.getLogger(__name__)

OPEN_LIMIT_S = 120.0
"""How long opening a model may take, and closing it; the largest take minutes from a slow disk."""


def read_cache(path: Path) -> CacheReport:
    """Describe the cache directory, which need not exist yet. Raises: OSError."""
    cached = cached_models(path)
    existing = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    return CacheReport(
        path=str(path),
        writable=existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
        free_bytes=shutil.disk_usage(existing).free,
        num_models=len(cached),
        size_bytes=sum(model.size_bytes for model in cached),
        damaged=tuple(f"{model.folder.name}: {model.damage}" for model in cached if model.damage),
    )


def cache_problems(cache: CacheReport, models: Sequence[ModelReport]) -> Iterator[Problem]:
    """Say what keeps the models that are not there from being fetched or converted into the cache."""
    to_make = [model for model in models if model.state.startswith("to be")]
    if not to_make:
        return
    needed = sum(model.needs_bytes for model in to_make)
    if not cache.writable:
        yield Problem(f"{cache.path} is not writable", "make it so, or set JAN_ORT_CACHE_DIR")
    elif needed > cache.free_bytes:
        names = ", ".join(model.reference for model in to_make)
        yield Problem(
            f"the disk of {cache.path} has {cache.free_bytes // 10**6} MB free, and {needed // 10**6} MB are needed "
            f"for {names}",
            "free some, or set JAN_ORT_CACHE_DIR to a directory on another disk",
        )


def find_model(choice: ModelChoice, settings: Settings, discovered: Sequence[Discovered]) -> ModelReport:
    """Say where a model is and which backend would open it, as far as that is known without fetching anything.

    Raises: CacheError; ConversionError; NoBackendError with each backend's reason.
    """
    source, wanted = choice.source, choice.wanted(settings)
    path = source.present(wanted, settings.cache_dir)
    if path is None:
        source.check(wanted)
        state = "to be fetched" if source.needs == "download" else "to be converted"
        return ModelReport(choice.reference, choice.task.name, state, needs_bytes=source.work_bytes(wanted))
    state = "local" if source.needs == "nothing" else "cached"
    found = find_in(path, choice, settings, discovered)
    report = ModelReport(choice.reference, choice.task.name, state, str(path), found.backend.name)
    return replace(report, name=found.folder.name, provider=choice.provider)


def model_name(model: ModelReport) -> tuple[str, str, str]:
    """Return the name that a model is served under, its task and its reference; one that is not there has its own."""
    return model.name or model.reference, model.task, model.reference


def open_once(
    choice: ModelChoice,
    report: ModelReport,
    settings: Settings,
    discovered: Sequence[Discovered],
    ledger: MemoryLedger,
    limit_s: float = OPEN_LIMIT_S,
) -> ModelReport:
    """Open a model as the server would, if it is there, close it, and add where it ran; each may take ``limit_s``.

    Raises: BackendError, NoBackendError, ModelsError, ChatTemplateError.
    """
    found = found_here(choice, settings, discovered)
    if found is None:
        return report
    path, backend = found.folder.path, found.backend.name
    logger.info("opening %s with backend %s; given up after %g s", path, backend, limit_s)

    own = ledger.admit(choice.key, choice.task, found, choice.own(settings))  # kept: a server has them all at once
    doing = "open"
    try:
        model: ServedModel = within(lambda: served_task(choice.task).open(found, own, lambda events: None), limit_s)
        device = model.device
        doing = "close"
        within(lambda: _close(model), limit_s)
    except PluginFault as fault:
        remedy = "choose another with --backend, or open none with --quick"
        raise ModelError(f"backend {backend!r} failed to {doing} {path}: {fault}; {remedy}") from fault
    return replace(report, device=device, memory=ledger.need(choice.key))


def _close(model: ServedModel) -> None:
    """Close a model, and go on until it is free: closing once gives up on a session that hangs."""
    while not model.close():
        logger.debug("%s is not closed yet", model.name)
