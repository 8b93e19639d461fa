"""Gather the doctor's report: every part is looked at, whatever is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from jan_ort.chat.template import ChatTemplateError
from jan_ort.cli.doctor.backends import examine
from jan_ort.cli.doctor.devices.judging import examine_devices
from jan_ort.cli.doctor.machine import read_platform, read_versions
from jan_ort.cli.doctor.models import OPEN_LIMIT_S, cache_problems, find_model, model_name, open_once, read_cache
from jan_ort.cli.doctor.report import BackendTruth, CacheReport, DoctorReport, ModelReport, Problem
from jan_ort.ground.model_errors import ModelsError
from jan_ort.http.auth import ExposureError, check_exposure
from jan_ort.http.launcher import BindError, bind_all, check_metrics_address
from jan_ort.http.tls import TlsError, server_tls
from jan_ort.plugins.choice import (
    BACKEND_LISTS,
    NoBackendError,
    check_allowed,
    check_backend,
    check_options,
    find_backends,
)
from jan_ort.serving.choice import (
    check_conversion,
    check_provider,
    choose_draft,
    choose_model,
    configured_models,
    distinct,
    drafted,
    known_names,
)
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.serving.roster import check_names
from jan_ort.settings.in_force import settings_in_force
from jan_ort.settings.schema import Settings, SettingsError
from jan_ort_backends import BackendError, Discovered, discover

_EXPECTED = (
    *(SettingsError, NoBackendError, ModelsError, BackendError, ChatTemplateError),
    *(BindError, ExposureError, TlsError, OSError),
)

T = TypeVar("T")
Otherwise = TypeVar("Otherwise")


def examine_all(
    flags: Mapping[str, object], *, quick: bool = False, open_limit_s: float = OPEN_LIMIT_S
) -> DoctorReport:
    """Return the report for the settings that ``serve`` would have with the same ``flags``.

    ``quick``: open no model; whether a backend really opens it is then not known. ``open_limit_s``: see ``open_once``.
    """
    attempts = _Attempts()
    settings = attempts.result(lambda: Settings.read(**flags), None)
    discovered = _find_backends(flags)
    backends = examine(discovered)
    discovered = _without_broken(discovered, backends)
    in_force = [] if settings is None else attempts.result(lambda: settings_in_force(**flags), [])
    cache: CacheReport | None = None
    models: list[ModelReport] = []
    if settings is not None:
        attempts.problems.extend(_unusable(backends))
        cache = attempts.result(lambda: read_cache(settings.cache_dir), None)
        attempts.result(lambda: check_allowed(settings, discovered), None)
        attempts.result(lambda: check_backend(settings.backend, discovered), None)
        attempts.result(lambda: check_options(settings, discovered), None)
        models = _examine_models(settings, discovered, attempts, None if quick else open_limit_s)
        attempts.result(lambda: check_exposure(settings), None)
        attempts.result(lambda: server_tls(settings), None)
        listeners = attempts.result(lambda: bind_all(settings.host, settings.port), [])
        attempts.result(lambda: check_metrics_address(settings), None)
        for listener in listeners:
            listener.close()
    if cache is not None:
        attempts.problems.extend(cache_problems(cache, models))
    return DoctorReport(
        versions=read_versions(),
        platform=read_platform(),
        backends=backends,
        devices=tuple(examine_devices([each for truth in backends for each in truth.providers])),
        settings=tuple(in_force),
        cache=cache,
        models=tuple(models),
        problems=tuple(dict.fromkeys(attempts.problems)),
    )


class _Attempts:
    """Looks at one thing after another; what is wrong with one is a problem, and the next one's turn comes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def result(self, look: Callable[[], T], otherwise: Otherwise) -> T | Otherwise:
        """Return what ``look`` returns, ``otherwise`` if it raises what a start may fail with."""
        try:
            return look()
        except _EXPECTED as error:
            self.problems.append(Problem(str(error)))
            return otherwise


def _examine_models(
    settings: Settings, discovered: Sequence[Discovered], attempts: _Attempts, open_limit_s: float | None
) -> list[ModelReport]:
    """Return what is known of each configured model; without a limit none is opened."""
    models: list[ModelReport] = []
    known, ledger = known_names(settings, discovered), MemoryLedger()
    chosen = [
        attempts.result(partial(choose_model, task, reference, settings, discovered, known), None)
        for task, reference in configured_models(settings, discovered)
    ]
    draft = attempts.result(partial(choose_draft, settings, discovered, known), None)
    if draft is not None:
        found = attempts.result(partial(find_model, draft, settings, discovered), None)
        models.extend([] if found is None else [replace(found, task="draft")])
    elif settings.draft_model is not None:
        open_limit_s = None  # it is what keeps the others from being opened
    for choice in drafted(distinct(each for each in chosen if each is not None), draft):
        attempts.result(partial(check_conversion, choice, settings, discovered), None)
        attempts.result(partial(check_provider, choice, settings, discovered), None)
        found = attempts.result(partial(find_model, choice, settings, discovered), None)
        if found is not None and open_limit_s is not None:
            found = attempts.result(
                partial(open_once, choice, found, settings, discovered, ledger, open_limit_s), found
            )
        models.extend([found] if found is not None else [])
    attempts.result(lambda: check_names(map(model_name, models)), None)
    return models


def _find_backends(flags: Mapping[str, object]) -> tuple[Discovered, ...]:
    """Return the backends as the settings allow them, whatever else is wrong there; none is imported if these are."""
    try:
        return find_backends(Settings.read_only(BACKEND_LISTS, **flags))
    except SettingsError:
        reason, remedy = "not imported: the settings that may exclude it cannot be read", "mend the settings"
        return tuple(replace(each, error=reason, remedy=remedy) for each in discover(allow=()))


def _without_broken(discovered: Sequence[Discovered], backends: Sequence[BackendTruth]) -> tuple[Discovered, ...]:
    """Return what was discovered without the backends whose probe failed, so that a hanging one is asked once."""
    return tuple(
        replace(each, backend=None, error=truth.plugin.reason, remedy=truth.plugin.remedy)
        if truth.plugin.traceback is not None
        else each
        for each, truth in zip(discovered, backends, strict=True)
    )


def _unusable(backends: tuple[BackendTruth, ...]) -> list[Problem]:
    """Return the problem that no backend can be used; one broken plugin beside a sound one is none."""
    if any(each.plugin.usable for each in backends):
        return []
    names = ", ".join(each.plugin.name for each in backends) or "none is installed"
    return [Problem(f"no backend can be used: {names}", "see each one's remedy above")]
