"""Questions to a plugin: each has a time limit, and an answer that the interface knows or a typed reason (hop 6)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from jan_ort.ground.worker_pool import WorkCrashed, WorkerPool
from jan_ort_backends import (
    Accepts,
    Backend,
    BackendError,
    BackendTokenizer,
    ChecksOptions,
    Declines,
    DiagnosesProviders,
    InstalledProvider,
    InstallsProviders,
    OpenOptions,
    OpensTokenizers,
    ProviderTruth,
    VocabularyToken,
)
from jan_ort_backends.failure_text import one_line, reason_of
from jan_ort_backends.memory import EstimatesMemory, MemoryNeed

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

LIMIT_S = 30.0
"""How long importing a plugin, its ``probe`` or its ``accepts`` may take; each should take milliseconds."""

DIAGNOSIS_LIMIT_S = 120.0
"""How long a backend may try its providers; a GPU's first kernels may take a minute to compile."""

INSTALLATION_LIMIT_S = 3600.0
"""How long a backend may have providers fetched and installed: some are of a gigabyte."""

_AS_DECLARED = ConfigDict(strict=True, revalidate_instances="always")
"""Instances are looked into, too, and neither a bool nor a numpy integer is an int: JSON tells clients."""


class PluginFault(BackendError):
    """Raised when a plugin hangs, would end the process, or answers what the interface does not know."""


def within(call: Callable[[], Result], limit_s: float = LIMIT_S) -> Result:
    """Return what ``call`` returns, called in a thread of its own; the user's Ctrl-C ends the waiting.

    Raises: the exceptions that it raises; PluginFault for SystemExit and the like, and if it has not come back in time.
    Its thread is then left behind, as Python cannot end one.
    """
    outcome = WorkerPool("plugin", num_threads=1, max_waiting=0).submit(call)
    if not wait([outcome], limit_s).done:
        raise PluginFault(f"it has not returned after {limit_s:g} s")
    try:
        return outcome.result()
    except WorkCrashed as crash:  # by sys.exit(), or a KeyboardInterrupt: the user's arrives in the main thread
        raise PluginFault(one_line(crash.__cause__ or crash)) from crash


def checked(what: str, answer: Result, *kinds: type) -> Result:
    """Return an answer that is one of these dataclasses, with fields as they declare. Raises: PluginFault."""
    kind = next((each for each in kinds if isinstance(answer, each)), None)
    if kind is None:
        raise PluginFault(
            f"{what} is {answer!r:.80}, which is not an instance of {' or '.join(each.__name__ for each in kinds)}"
        )
    try:
        TypeAdapter(tuple[kind], config=_AS_DECLARED).validate_python((answer,))  # type: ignore[valid-type]
    except ValidationError as error:
        fault = error.errors()[0]
        field = ".".join(map(str, fault["loc"][1:]))
        raise PluginFault(f"{what} is wrong: {field} is {fault['input']!r:.80}: {fault['msg']}") from error
    return answer


def ask_accepts(backend: Backend, model_dir: Path, limit_s: float = LIMIT_S) -> Accepts | Declines:
    """Return the backend's answer; one that fails or is none becomes Declines with the reason."""
    try:
        return within(lambda: checked("its answer", backend.accepts(model_dir), Accepts, Declines), limit_s)
    except Exception as error:
        level = logging.DEBUG if model_dir.is_file() else logging.WARNING  # it may expect a folder, and list that
        logger.log(level, "backend %s failed when asked for %s", backend.name, model_dir, exc_info=error)
        return Declines(f"it failed when asked: {reason_of(error)}")


def ask_memory_need(
    backend: Backend, model_dir: Path, options: OpenOptions, limit_s: float = LIMIT_S
) -> MemoryNeed | None:
    """Return what a model would take of the host's memory, None where the backend does not tell; opening says why."""

    def ask() -> MemoryNeed | None:
        need = backend.memory_need(model_dir, options) if isinstance(backend, EstimatesMemory) else None
        if not isinstance(need, MemoryNeed | None):
            raise PluginFault(f"it returned {need!r:.80}, which is not a MemoryNeed")
        return need

    try:
        return within(ask, limit_s)
    except Exception as error:
        logger.debug("backend %s does not state the memory of %s: %s", backend.name, model_dir, reason_of(error))
        return None


def _shown(backend: Backend | None) -> str:
    return "the server" if backend is None else f"backend {backend.name!r}"


def ask_tokenizer(backend: Backend | None, model_dir: Path, limit_s: float = LIMIT_S) -> BackendTokenizer:
    """Return the backend's own tokenizer of a folder. Raises: BackendError, PluginFault."""
    if not isinstance(backend, OpensTokenizers):
        raise BackendError(
            f"{model_dir} leaves its tokenizer to the backend, and {_shown(backend)} has none; "
            "choose the one that reads its files, as --backend llama_cpp"
        )
    try:
        opened = within(lambda: backend.open_tokenizer(model_dir), limit_s)
        for token in (*opened.tokens[:1], *opened.tokens[-1:]):
            checked("a token of its tokenizer", token, VocabularyToken)
        return opened
    except BackendError:
        raise
    except Exception as error:
        raise PluginFault(f"{_shown(backend)} has no tokenizer of {model_dir}: {reason_of(error)}") from error


def why_not_options(backend: Backend, extra: Mapping[str, str], limit_s: float = LIMIT_S) -> str | None:
    """Return why the backend refuses its own options, None if it takes them or cannot tell without a model."""

    def check() -> None:
        if isinstance(backend, ChecksOptions):
            backend.check_options(dict(extra))

    try:
        within(check, limit_s)
    except Exception as error:
        return reason_of(error)
    return None


def diagnose_providers(backend: Backend, limit_s: float = DIAGNOSIS_LIMIT_S) -> tuple[ProviderTruth, ...]:
    """Return what the backend finds out about its providers, nothing if it cannot tell. Raises: as ``within``."""

    def ask() -> tuple[ProviderTruth, ...]:
        truths = backend.diagnose_providers() if isinstance(backend, DiagnosesProviders) else ()
        return tuple(checked("what it says of a provider", truth, ProviderTruth) for truth in truths)

    return within(ask, limit_s)


def install_providers(backend: Backend, limit_s: float = INSTALLATION_LIMIT_S) -> tuple[InstalledProvider, ...]:
    """Have the backend install providers, and return what became of each. Raises: as ``within``."""

    def ask() -> tuple[InstalledProvider, ...]:
        answers = backend.install_providers() if isinstance(backend, InstallsProviders) else ()
        return tuple(checked("what it says of an installation", each, InstalledProvider) for each in answers)

    return within(ask, limit_s)
