"""Questions to a plugin: each has a time limit, and an answer that the interface knows or a typed reason (hop 6)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import astuple
from pathlib import Path
from typing import TypeVar

from jan_ort_backends import (
    Accepts,
    Available,
    Backend,
    BackendError,
    ChecksOptions,
    Declines,
    DiagnosesProviders,
    Missing,
    ProviderTruth,
)
from jan_ort_backends.failure_text import one_line, reason_of
from jan_ort_backends.registry import how_to_deny

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Yes = TypeVar("Yes", Available, Accepts)
No = TypeVar("No", Missing, Declines)

LIMIT_S = 30.0
"""How long importing a plugin, its ``probe`` or its ``accepts`` may take; each should take milliseconds."""

DIAGNOSIS_LIMIT_S = 120.0
"""How long a backend may try its providers; a GPU's first kernels may take a minute to compile."""


class PluginFault(BackendError):
    """Raised when a plugin hangs, would end the process, or answers what the interface does not know."""


def within(call: Callable[[], Result], limit_s: float = LIMIT_S) -> Result:
    """Return what ``call`` returns, called in a thread of its own; the user's Ctrl-C ends the waiting.

    Raises: the exceptions that it raises; PluginFault for SystemExit and the like, and if it has not come back in time.
    Its thread is then left behind, as Python cannot end one.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except Exception as error:
            outcome.set_exception(error)
        except BaseException as error:  # sys.exit(), or a KeyboardInterrupt: the user's arrives in the main thread
            fault = PluginFault(one_line(error))
            fault.__cause__ = error
            outcome.set_exception(fault)

    threading.Thread(target=run, name="plugin", daemon=True).start()  # a daemon: it must not keep the process
    if not wait([outcome], limit_s).done:
        raise PluginFault(f"it has not come back after {limit_s:g} s")
    return outcome.result()


def probe(backend: Backend, limit_s: float = LIMIT_S) -> Available | Missing:
    """Return the backend's answer. Raises: what its ``probe`` raises; PluginFault."""
    logger.debug("backend %s: probe", backend.name)  # the last line in the log if the plugin ends the process
    return within(lambda: _checked(backend.probe(), Available, Missing), limit_s)


def ask_probe(backend: Backend, limit_s: float = LIMIT_S) -> Available | Missing:
    """Return the backend's answer; one that fails or is none becomes Missing with the reason."""
    try:
        return probe(backend, limit_s)
    except Exception as error:
        logger.warning("the probe of backend %s failed", backend.name, exc_info=error)
        remedy = f"repair or uninstall the plugin of backend {backend.name!r}, or {how_to_deny(backend.name)}"
        return Missing(why_probe_failed(error), remedy)


def why_probe_failed(error: BaseException) -> str:
    """Return what ``probe`` raised as a reason, in one line."""
    return f"its probe failed: {reason_of(error)}"


def ask_accepts(backend: Backend, model_dir: Path, limit_s: float = LIMIT_S) -> Accepts | Declines:
    """Return the backend's answer; one that fails or is none becomes Declines with the reason."""
    try:
        return within(lambda: _checked(backend.accepts(model_dir), Accepts, Declines), limit_s)
    except Exception as error:
        if model_dir.is_file():  # the contract lets it expect a folder, and list that
            logger.debug("backend %s does not take the file %s: %s", backend.name, model_dir, reason_of(error))
        else:
            logger.warning("backend %s failed when asked for %s", backend.name, model_dir, exc_info=error)
        return Declines(f"it failed when asked: {reason_of(error)}")


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
        truths = tuple(backend.diagnose_providers()) if isinstance(backend, DiagnosesProviders) else ()
        for truth in truths:
            if not isinstance(truth, ProviderTruth):
                raise PluginFault(f"it returned {truth!r:.80} among its providers, which is no ProviderTruth")
        return truths

    return within(ask, limit_s)


def _checked(answer: object, yes: type[Yes], no: type[No]) -> Yes | No:
    """Return an answer that is one of two kinds, and whose fields are texts. Raises: PluginFault."""
    if not isinstance(answer, yes | no):
        raise PluginFault(f"it returned {answer!r:.80}, which is neither {yes.__name__} nor {no.__name__}")
    if not all(isinstance(text, str) for text in astuple(answer)):
        raise PluginFault(f"it returned {answer!r:.80}, of which a field is no text")
    return answer
