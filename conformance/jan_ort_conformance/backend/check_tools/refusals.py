"""What a session owes where it lacks a capability: a refusal with the right error, and no silent half of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from jan_ort_backends import BadInput, Capability, Session, SlotTokens, Unsupported
from jan_ort_backends.checks import METHODS
from jan_ort_conformance.backend.check_tools.trial import Trial
from jan_ort_conformance.verdicts.verdict import Lie, NotThere, Violation


def refuse(trial: Trial, capability: Capability) -> None:
    """Check that the session refuses what it cannot do. Raises: NotThere if it does, otherwise Lie or Violation."""
    reason = _reason(trial, capability)
    if capability is Capability.TOP_LOGITS and Capability.GENERATE in trial.able:
        output = trial.writer.output(0, 3)
        if output.top_logits is not None or output.top_token_ids is not None:
            raise Lie(f"{reason}, and step returns top logits")
    else:
        expected = BadInput if capability is Capability.MIXED_BATCH else Unsupported
        _expect_refusal(capability, trial, expected, reason)
    raise NotThere(f"{reason}, and it is refused")


def _reason(trial: Trial, capability: Capability) -> str:
    if capability not in trial.subject.backend.capabilities:
        return f"{capability.value} is not declared"
    for method in METHODS.get(capability, ()):
        if getattr(type(trial.session), method) is getattr(Session, method):
            return f"{capability.value} is declared; this session has no {method}()"
    return f"this model has no part in {capability.value}"


def _expect_refusal(capability: Capability, trial: Trial, expected: type[Exception], reason: str) -> None:
    try:
        _CALLS[capability](trial)
    except expected:
        return
    except Exception as error:
        raise Violation(f"{reason}, and is refused by {type(error).__name__} ({error})") from error
    remedy = ", or refuse it: jan_ort_backends.checks.check_kind" if capability is Capability.MIXED_BATCH else ""
    raise Lie(f"{reason}, and works all the same; declare it{remedy}")


def _mixed(trial: Trial) -> None:
    writer = trial.writer
    writer.append(0, 5)
    writer.step([SlotTokens(0, writer.text[5:6]), SlotTokens(1, writer.text[:7])])


def _step(trial: Trial) -> None:
    trial.session.step([SlotTokens(0, np.array([1], np.int64))])


_CALLS: Mapping[Capability, Callable[[Trial], object]] = {
    Capability.GENERATE: _step,
    Capability.FORK: lambda trial: trial.session.fork(0, 1, 0),
    Capability.INTERRUPT: lambda trial: trial.session.interrupt(),
    Capability.MIXED_BATCH: _mixed,
    Capability.TOP_LOGITS: _step,
    Capability.EMBED: lambda trial: trial.session.embed([np.array([1], np.int64)]),
}
