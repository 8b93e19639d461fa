"""What a session owes where it lacks a capability: a refusal with the right error, and no silent half of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from jan_ort_backends import BadInput, Capability, Session, SlotTokens, Unsupported
from jan_ort_backends.checks import METHODS
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.verdict import Lie, NotThere, Violation


def refuse(fixture: Fixture, capability: Capability) -> None:
    """Check that the session refuses what it cannot do. Raises: NotThere if it does, otherwise Lie or Violation."""
    reason = _reason(fixture, capability)
    if capability is Capability.TOP_LOGITS and Capability.GENERATE in fixture.able:
        output = fixture.writer.output(0, 3)
        if output.top_logits is not None or output.top_token_ids is not None:
            raise Lie(f"{reason}, and step returns top logits")
    elif capability is Capability.CHECKPOINTS:
        if fixture.session.info.num_checkpoints is not None:
            raise Lie(f"{reason}, and the session's info has num_checkpoints")
        raise NotThere(f"{reason}, and it is cut anywhere")
    else:
        expected = BadInput if capability is Capability.MIXED_BATCH else Unsupported
        _expect_refusal(capability, fixture, expected, reason)
    raise NotThere(f"{reason}, and it is refused")


def _reason(fixture: Fixture, capability: Capability) -> str:
    if capability not in fixture.subject.backend.capabilities:
        return f"{capability.value} is not declared"
    for method in METHODS.get(capability, ()):
        if getattr(type(fixture.session), method) is getattr(Session, method):
            return f"{capability.value} is declared; this session has no {method}()"
    return f"this model has no part in {capability.value}"


def _expect_refusal(capability: Capability, fixture: Fixture, expected: type[Exception], reason: str) -> None:
    try:
        _CALLS[capability](fixture)
    except expected:
        return
    except Exception as error:
        raise Violation(f"{reason}, and is refused by {type(error).__name__} ({error})") from error
    remedy = ", or refuse it: jan_ort_backends.checks.check_kind" if capability is Capability.MIXED_BATCH else ""
    raise Lie(f"{reason}, and works all the same; declare it{remedy}")


def _mixed(fixture: Fixture) -> None:
    writer = fixture.writer
    writer.append(0, 5)
    writer.step([SlotTokens(0, writer.text[5:6]), SlotTokens(1, writer.text[:7])])


def _step(fixture: Fixture) -> None:
    fixture.session.step([SlotTokens(0, np.array([1], np.int64))])


_CALLS: Mapping[Capability, Callable[[Fixture], object]] = {
    Capability.GENERATE: _step,
    Capability.FORK: lambda fixture: fixture.session.fork(0, 1, 0),
    Capability.INTERRUPT: lambda fixture: fixture.session.interrupt(),
    Capability.MIXED_BATCH: _mixed,
    Capability.TOP_LOGITS: _step,
    Capability.EMBED: lambda fixture: fixture.session.embed([np.array([1], np.int64)]),
    Capability.STATE: lambda fixture: fixture.session.save(0),
    Capability.IMAGES: lambda fixture: fixture.session.encode_image(np.zeros((1, 1, 3), np.uint8)),
}
