"""The proof that a session works finds those that compute no numbers, or other ones after a past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jan_ort_backends import BackendError, DeviceReport, Session, SlotTokens
from jan_ort_onnxruntime.graphs.onnx_file import OnnxFile
from jan_ort_onnxruntime.providers.proven_opening import Build, open_proven
from jan_ort_onnxruntime.session_settings import SessionSettings
from tests.backends.onnxruntime.providers.fake_onnxruntime import CPU, CUDA, DML, FakeRuntime
from tests.backends.onnxruntime.providers.opened import Opened


def prove_on(graph: Path, providers: Sequence[str], build: Build) -> Session:
    return open_proven(OnnxFile.read(graph), SessionSettings(1), build, runtime=FakeRuntime(providers))


def test_a_session_that_computes_no_numbers_is_closed_and_the_next_provider_tried(graph: Path) -> None:
    class Broken(Opened):
        closed = False

        def step(self, batch: Any) -> Any:
            output = super().step(batch)
            output.logits[:] = np.nan
            return output

        def close(self) -> None:
            Broken.closed = True

    def build(_: Any, device: DeviceReport) -> Session:
        return Broken(device) if device.used == DML else Opened(device)

    session = prove_on(graph, [DML, CPU], build)

    assert isinstance(session, Opened)
    assert "not finite" in session.device.declined["dml"]
    assert Broken.closed


class Forgetful(Opened):
    """A session whose attention loses the past, as one whose past and present are not the same memory does."""

    def step(self, batch: Any) -> Any:
        lengths = {row.slot: self.length(row.slot) for row in batch}
        for slot in lengths:
            self.truncate(slot, 0)
        output = super().step(batch)
        for row in batch:
            held = np.zeros(lengths[row.slot], np.int64)
            self.truncate(row.slot, 0)
            super().step([SlotTokens(row.slot, np.concatenate([held, row.token_ids]), 0)])
        return output


def test_a_session_that_loses_its_past_is_not_taken(graph: Path) -> None:
    def build(_: Any, device: DeviceReport) -> Session:
        return Opened(device) if device.used == CPU else Forgetful(device)

    session = prove_on(graph, [DML, CPU], build)

    assert isinstance(session, Opened)
    assert session.device.used == CPU
    assert "computes other logits after a past than without" in session.device.declined["dml"]


class Confusing(Opened):
    """A session that gives the shorter of two sequences the other's logits, as WebGPU's attention did in 1.27."""

    def __init__(self, device: DeviceReport) -> None:
        super().__init__(device, num_slots=2)

    def step(self, batch: Any) -> Any:
        output = super().step(batch)
        if len(batch) > 1 and getattr(self, "shares_runs", True):
            output.logits[0] = output.logits[-1]
        return output


class Yielding(Confusing):
    """One that can run each sequence alone."""

    shares_runs = True


def test_a_session_that_confuses_sequences_runs_each_alone(graph: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = prove_on(graph, [DML, CPU], lambda _, device: Yielding(device))

    assert isinstance(session, Yielding)
    assert (session.device.used, session.shares_runs) == (DML, False)
    assert "confuses sequences of several lengths in one run, so each runs alone" in caplog.text
    assert (session.length(0), session.length(1)) == (0, 0)


def test_a_session_that_confuses_sequences_and_can_but_do_so_is_not_taken(graph: Path) -> None:
    def build(_: Any, device: DeviceReport) -> Session:
        return Opened(device) if device.used == CPU else Confusing(device)

    session = prove_on(graph, [DML, CPU], build)

    assert isinstance(session, Opened)
    assert session.device.used == CPU
    assert "other logits of several sequences at once than of one" in session.device.declined["dml"]


class Spoiling(Opened):
    """A session that computes ``value`` in place of one logit after a past, and of another without one."""

    def __init__(self, device: DeviceReport, value: float, without: float | None = None) -> None:
        super().__init__(device)
        self._value, self._without = value, without

    def step(self, batch: Any) -> Any:
        past = any(self.length(row.slot) for row in batch)
        output = super().step(batch)
        if past or self._without is not None:
            output.logits[-1, 7] = self._value if past else self._without
        return output


@pytest.mark.parametrize(
    ("value", "without", "reason"),
    [
        (np.nan, None, "the logits after a past are not finite"),
        (np.inf, None, "the logits after a past are not finite"),
        (np.nan, np.nan, "the first token's values are not finite"),
        (-np.inf, None, "other tokens have the logit -inf"),
        (0.0, -np.inf, "other tokens have the logit -inf"),
        (3e38, -3e38, "they differ by"),
    ],
)
def test_a_session_that_computes_no_numbers_after_a_past_is_not_taken(
    value: float, without: float | None, reason: str, graph: Path
) -> None:
    def build(_: Any, device: DeviceReport) -> Session:
        return Opened(device) if device.used == CPU else Spoiling(device, value, without)

    session = prove_on(graph, [DML, CPU], build)

    assert isinstance(session, Opened)
    assert session.device.used == CPU
    assert reason in session.device.declined["dml"]


def test_a_token_that_is_never_meant_is_no_reason_to_pass_over_a_provider(graph: Path) -> None:
    class Masking(Opened):
        def step(self, batch: Any) -> Any:
            output = super().step(batch)
            output.logits[:, 7] = -np.inf
            return output

    session = prove_on(graph, [DML, CPU], lambda _, device: Masking(device))

    assert isinstance(session, Masking)
    assert session.device.used == DML


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_embedding_that_is_not_finite_is_refused(value: float, graph: Path) -> None:
    class Embedder(Opened):
        def __init__(self, device: DeviceReport) -> None:
            super().__init__(device)
            self.info = replace(self.info, vocab_size=0)

        def embed(self, batch: Any) -> Any:
            return np.array([[0.5, value]] * len(batch), np.float32)

    with pytest.raises(BackendError, match="the first token's values are not finite"):
        prove_on(graph, [CPU], lambda _, device: Embedder(device))


@pytest.mark.parametrize("provider", [CUDA, CPU])
def test_the_proof_leaves_the_slots_empty(provider: str, graph: Path) -> None:
    session = prove_on(graph, [provider, CPU], lambda _, device: Opened(device))

    assert session.length(0) == 0


def test_a_provider_whose_answers_nobody_foresaw_is_passed_over(graph: Path) -> None:
    def build(_: Any, device: DeviceReport) -> Session:
        if device.used == DML:
            raise ValueError("could not broadcast")
        return Opened(device)

    session = prove_on(graph, [DML, CPU], build)

    assert isinstance(session, Opened)
    assert session.device.declined == {"dml": "ValueError: could not broadcast"}
