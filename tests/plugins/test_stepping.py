"""A faulty step ends in a BackendError, and the session serves the next one; sound results pass untouched."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest

from jan_ort.plugins.guarded_session import GuardedSession, open_session
from jan_ort_backends import BackendError, Interrupted, OpenOptions, Session, SlotTokens
from jan_ort_backends.reference import ReferenceSession
from tests.backends.plugins import Plugins
from tests.plugins.step_faults import STEP_FAULTS


def guarded(plugins: Plugins, fault: str = "return output", **parts: str) -> Session:
    session = f"def fault(self, output):\n{textwrap.indent(fault, '    ')}\n{parts.get('session', '')}"
    plugins.install_backend("faulty", session=session)
    return open_session(plugins.load("faulty"), Path(), OpenOptions(num_slots=2))


@pytest.mark.parametrize(("fault", "reason"), STEP_FAULTS.items())
def test_a_faulty_step_is_a_backend_error_and_the_next_one_works(plugins: Plugins, fault: str, reason: str) -> None:
    session = guarded(plugins, fault)

    with pytest.raises(BackendError) as caught:
        session.step([SlotTokens(0, np.array([33]))])

    assert reason in str(caught.value)
    assert session.step([SlotTokens(1, np.array([40]))]).logits.shape == (1, 512)


@pytest.mark.parametrize("fault", ["return output", "return replace(output, logits=output.logits * np.nan)"])
def test_largest_logits_that_are_not_declared_are_a_backend_error(plugins: Plugins, fault: str) -> None:
    declared = "capabilities = frozenset(Capability) - {Capability.TOP_LOGITS}"
    plugins.install_backend("faulty", session=f"def fault(self, output):\n    {fault}", backend=declared)
    session = open_session(plugins.load("faulty"), Path(), OpenOptions(num_slots=1))

    with pytest.raises(BackendError, match="step returned top_logits without the capability top_logits"):
        session.step([SlotTokens(0, np.array([33]))])


def test_a_step_of_which_no_logits_are_wanted_owes_no_largest_ones(plugins: Plugins) -> None:
    session = guarded(plugins, "return StepOutput(output.logits)")

    assert session.step([SlotTokens(0, np.array([33]), 0)]).logits.shape == (0, 512)


def test_every_method_of_a_session_is_guarded() -> None:
    methods = {name for name, value in vars(Session).items() if callable(value) and not name.startswith("_")}

    assert methods <= vars(GuardedSession).keys()


def test_what_was_interrupted_is_still_that(plugins: Plugins) -> None:
    session = guarded(plugins, "raise Interrupted('at once')")

    with pytest.raises(Interrupted):
        session.step([SlotTokens(0, np.array([33]))])


def test_a_sound_session_behaves_like_itself(plugins: Plugins) -> None:
    session, alone = guarded(plugins), ReferenceSession(2, 512)
    rows = [SlotTokens(0, np.array([5, 6, 7]), 2), SlotTokens(1, np.array([8]), 0)]

    output, expected = session.step(rows), alone.step(rows)
    session.fork(0, 1, 2)

    np.testing.assert_array_equal(output.logits, expected.logits)
    assert [session.length(slot) for slot in (0, 1)] == [3, 2]
    assert session.info == alone.info


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ("np.zeros((1, 3), np.float32)", "vectors are float32"),
        ("np.full((1, 32), np.nan, np.float32)", "vectors are not finite"),
        ("[[0.0] * 32]", "vectors are a list"),
        ("np.zeros((1, 32), np.float32).view(np.matrix)", "vectors are a matrix"),
    ],
)
def test_faulty_vectors_are_a_backend_error(plugins: Plugins, result: str, reason: str) -> None:
    session = guarded(plugins, session=f"def embed(self, batch):\n    return {result}")

    with pytest.raises(BackendError, match=reason):
        session.embed([np.array([1, 2])])


def test_a_session_that_fails_to_close_is_only_logged(plugins: Plugins, caplog: pytest.LogCaptureFixture) -> None:
    session = guarded(plugins, session="def close(self):\n    raise OSError('gone')")

    session.close()

    assert "failed to close a session" in caplog.text
