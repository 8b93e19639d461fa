"""What an engine does after its device was lost: refuse, reopen, and serve on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.engine.engine import Engine
from jan_ort.engine.engine_errors import DeviceUnavailable
from jan_ort.engine.recovery import LONGEST_DELAY_S, Recovery, Reopen
from jan_ort.http.error_table import to_api_error
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.encoding import RecoveringEmbedder
from jan_ort_backends import BackendError, DeviceLost, Session
from tests.engine.running import (
    ALL,
    TOKENIZER,
    WAIT_S,
    HeldSession,
    ask,
    encode,
    events_of,
    generate,
    put_all,
    twin_generate,
    wait_until,
)

LOST = DeviceLost("887A0005", recoverable=True)
ENDLESS = SamplingParams(400, min_tokens=400, seed=1)
SHORT = SamplingParams(6, min_tokens=6, seed=2)


def engine_of(session: Session, reopen: Reopen | None) -> Engine:
    engine = Engine(
        session, capabilities=ALL, tokens=TOKENIZER, eos_token_ids=[0], deliver=put_all, max_queued=9, reopen=reopen
    )
    engine.start()
    return engine


def failing(error: Exception, num_slots: int = 1) -> HeldSession:
    session = HeldSession(num_slots)
    session.fails = lambda batch: error
    return session


def test_after_a_loss_every_request_is_told_and_a_new_session_serves_on() -> None:
    lost, fresh = failing(LOST), HeldSession(num_slots=1)
    engine = engine_of(lost, lambda: fresh)
    running, waiting = ask("Hello", ENDLESS), ask("The river", SHORT)

    engine.submit(running)
    engine.submit(waiting)
    (failed,) = events_of(running)
    wait_until(lambda: engine.num_queued == 0 and engine._runner.session is fresh)
    output = generate(engine, "The river", SHORT)
    engine.close()

    assert isinstance(failed.error, DeviceUnavailable)
    assert "887A0005" in str(failed.error)
    assert output.token_ids == tuple(twin_generate(encode("The river"), SHORT)[0])
    assert (lost.num_closed, fresh.num_closed) == (1, 1)


def test_while_the_device_is_away_requests_are_refused_at_once() -> None:
    opening, opened = threading.Event(), threading.Event()

    def reopen() -> Session:
        opening.set()
        assert opened.wait(WAIT_S)
        return HeldSession(num_slots=1)

    engine = engine_of(failing(LOST), reopen)
    engine.submit(asked := ask("Hello", SHORT))
    events_of(asked)
    assert opening.wait(WAIT_S)

    with pytest.raises(DeviceUnavailable):
        engine.submit(ask("Hello", SHORT))

    opened.set()
    engine.close()


def test_a_loss_that_reopening_cannot_mend_stays() -> None:
    attempts: queue.SimpleQueue[None] = queue.SimpleQueue()
    session = failing(DeviceLost("CUDA failure 700", recoverable=False))
    engine = engine_of(session, lambda: attempts.put(None) or session)  # type: ignore[func-returns-value]
    engine.submit(asked := ask("Hello", SHORT))
    events_of(asked)

    with pytest.raises(DeviceUnavailable) as caught:
        engine.submit(ask("Hello", SHORT))
    engine.close()

    assert caught.value.retry_after_s == 60
    assert attempts.empty()


def test_attempts_are_repeated_ever_more_slowly_until_one_succeeds() -> None:
    now = [0.0]
    answers: list[Session | None] = [None] * 7 + [HeldSession(num_slots=2)]

    def reopen() -> Session:
        session = answers.pop(0)
        if session is None:
            raise BackendError("no device yet")
        return session

    recovery, waits = Recovery(reopen, clock=lambda: now[0]), []
    recovery.begin(LOST)
    while recovery.attempt(HeldSession(num_slots=2)) is None:
        waits.append(recovery.wait_s)
        now[0] += recovery.wait_s or 0.0

    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert recovery.unavailable is None


def test_what_is_lost_again_and_again_is_opened_ever_more_slowly() -> None:
    now = [0.0]
    session = HeldSession(num_slots=2)
    recovery, waits, told = Recovery(lambda: session, clock=lambda: now[0]), [], []
    for served_s in (5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, LONGEST_DELAY_S + 1):
        recovery.begin(LOST)
        waits.append(recovery.wait_s)
        assert recovery.unavailable is not None
        told.append(recovery.unavailable.retry_after_s)
        now[0] += recovery.wait_s or 0.0
        assert recovery.attempt(session) is session
        now[0] += served_s
    recovery.begin(LOST)

    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_DELAY_S, LONGEST_DELAY_S]
    assert told == [5, 5, 5, 5, 8, 16, 30, 30]
    assert recovery.wait_s == 0.0


def test_a_session_of_another_size_is_closed_and_not_used() -> None:
    other = HeldSession(num_slots=3)
    recovery = Recovery(lambda: other)
    recovery.begin(LOST)

    assert recovery.attempt(HeldSession(num_slots=2)) is None
    assert other.num_closed == 1
    assert recovery.unavailable is not None


def test_a_loss_is_answered_503_with_retry_after() -> None:
    told, direct = to_api_error(DeviceUnavailable("gone", retry_after_s=7)), to_api_error(LOST)

    assert (told.status, told.code, told.headers["Retry-After"]) == (503, "device_lost", "7")
    assert (direct.status, direct.code, direct.headers["Retry-After"]) == (503, "device_lost", "5")


def test_an_embedder_is_opened_again_by_the_first_call_after_a_loss() -> None:
    class Embedder(HeldSession):
        def __init__(self, error: Exception | None) -> None:
            super().__init__(num_slots=1)
            self.error = error

        def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
            if self.error is not None:
                raise self.error
            return np.ones((len(batch), 2), np.float32)

    lost = Embedder(LOST)
    embedder = RecoveringEmbedder(lost, lambda: Embedder(None))

    with pytest.raises(DeviceUnavailable):
        embedder.embed([encode("a")])
    vectors = embedder.embed([encode("a"), encode("b")])

    assert vectors.shape == (2, 2)
    assert lost.num_closed == 1
