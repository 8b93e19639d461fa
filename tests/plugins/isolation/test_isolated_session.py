"""A session in a process of its own does what one in this process does, to the bit, and raises what it raises."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jan_ort.plugins.isolation import array_window
from jan_ort.plugins.isolation.array_window import ArrayWindow, Place, new_memory
from jan_ort.plugins.isolation.error_crossing import raised_error, told_error
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort_backends import (
    BackendError,
    BadInput,
    Interrupted,
    ModelError,
    OpenOptions,
    Session,
    SlotTokens,
    discover,
    register,
    unregister,
)
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.backends.plugins import Plugins
from tests.plugins.isolation.processes import OPTIONS, host_of, isolated
from tests.plugins.test_typed_errors import SOUND
from tests.signals import send_signal

SLOTS = st.integers(0, OPTIONS.num_slots)  # one of them does not exist
TOKENS = st.lists(st.integers(0, 512), min_size=0, max_size=9).map(lambda each: np.array(each, np.int64))
BYTES = st.binary(max_size=99).map(lambda each: np.frombuffer(each, np.uint8))
CALLS = st.one_of(
    st.tuples(
        st.just("step"), st.tuples(st.lists(st.builds(SlotTokens, SLOTS, TOKENS, st.integers(0, 9)), max_size=4))
    ),
    st.tuples(st.just("fork"), st.tuples(SLOTS, SLOTS, st.integers(0, 20))),
    st.tuples(st.just("truncate"), st.tuples(SLOTS, st.integers(0, 20))),
    st.tuples(st.just("length"), st.tuples(SLOTS)),
    st.tuples(st.just("save"), st.tuples(SLOTS)),
    st.tuples(
        st.just("load"), st.tuples(SLOTS, st.binary(max_size=99).map(lambda each: np.frombuffer(each, np.uint8)))
    ),
    st.tuples(st.just("embed"), st.tuples(st.lists(TOKENS, min_size=1, max_size=3))),
)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Session, Session]]:
    """A session in this process and one in another, of one model."""
    apart = open_isolated(ReferenceBackend(), FOLDER, OPTIONS)
    yield ReferenceBackend().open(FOLDER, OPTIONS), apart
    apart.close()


def outcome(session: Session, method: str, arguments: tuple[Any, ...]) -> object:
    """Return what a call returns or raises, such that equal means equal to the bit."""
    try:
        result = getattr(session, method)(*arguments)
    except BackendError as error:
        return type(error), str(error), vars(error)
    if method in ("embed", "save"):
        return result.dtype, result.shape, result.tobytes()
    if method == "step":
        return [
            (each.dtype, each.shape, each.tobytes())
            for each in (result.logits, result.top_logits, result.top_token_ids)
        ]
    return result


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(CALLS, max_size=8))
def test_any_calls_have_the_same_outcome_to_the_bit(
    pair: tuple[Session, Session], calls: list[tuple[str, tuple[Any, ...]]]
) -> None:
    here, apart = pair
    for slot in range(OPTIONS.num_slots):
        for session in pair:
            session.truncate(slot, 0)

    for method, arguments in calls:
        assert outcome(apart, method, arguments) == outcome(here, method, arguments)


def test_a_slot_that_was_saved_here_is_loaded_there(pair: tuple[Session, Session]) -> None:
    here, apart = pair
    for session in pair:
        session.truncate(0, 0)
        session.step([SlotTokens(0, np.arange(20))])

    apart.load(1, here.save(0))
    here.load(1, apart.save(0))

    steps = [session.step([SlotTokens(1, np.array([7]))]).logits.copy() for session in pair]
    assert (steps[0] == steps[1]).all()


def test_it_is_what_the_session_says_of_itself(pair: tuple[Session, Session]) -> None:
    assert pair[1].info == pair[0].info


def test_vectors_stay_what_they_were(pair: tuple[Session, Session]) -> None:
    apart = pair[1]

    first = apart.embed([np.array([1, 2])])
    kept = first.copy()
    apart.embed([np.array([3, 4])])

    assert (first == kept).all()


@pytest.mark.parametrize("error", SOUND, ids=lambda error: type(error).__name__)
def test_an_error_of_the_interface_crosses_with_its_fields(error: BackendError) -> None:
    crossed = raised_error(told_error(error))

    assert (type(crossed), str(crossed), vars(crossed)) == (type(error), str(error), vars(error))


def test_a_plugins_own_kind_of_error_crosses_as_the_interfaces() -> None:
    class Own(BadInput):
        def __init__(self) -> None:
            super().__init__("slot", "is odd")

    crossed = raised_error(told_error(Own()))

    assert (type(crossed), str(crossed), vars(crossed)) == (BadInput, "slot: is odd", {"param": "slot"})


def test_what_is_no_error_of_the_interface_crosses_as_its_text(plugins: Plugins) -> None:
    with isolated(plugins, session="def fault(self, output):\n    raise KeyError('layer 3')") as session:
        with pytest.raises(BackendError) as caught:
            session.step([SlotTokens(0, np.array([33]))])
        after = session.step([SlotTokens(1, np.array([34]))])

    assert (type(caught.value), str(caught.value)) == (
        BackendError,
        "backend 'faulty' raised KeyError in step: 'layer 3'",
    )
    assert after.logits.shape == (1, 512)


def test_an_error_whose_text_cannot_be_read_is_still_an_answer(plugins: Plugins) -> None:
    fault = "def fault(self, output):\n    class Odd(BackendError):\n        __str__ = None\n    raise Odd"

    with isolated(plugins, session=fault) as session, pytest.raises(BackendError, match="cannot be told: TypeError"):
        session.step([SlotTokens(0, np.array([33]))])


def test_another_thread_interrupts_a_running_step(plugins: Plugins) -> None:
    wait = (
        "def fault(self, output):\n    self._interrupted.wait(60)\n    self.lengths[0] = 0\n    raise Interrupted('so')"
    )
    with isolated(plugins, session=wait) as session:
        over = threading.Event()

        def interrupt() -> None:
            while not over.wait(0.01):  # by contract, one that comes before the step has begun is lost
                session.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(Interrupted, match="so"):
            session.step([SlotTokens(0, np.array([33]))])
        over.set()
        thread.join()

        assert session.length(0) == 0
        assert session.step([SlotTokens(0, np.array([7]))]).logits.shape == (1, 512)


def test_interrupts_never_wait_for_a_child_that_does_not_hear_them(plugins: Plugins) -> None:
    with isolated(plugins) as session:
        child = host_of(session)
        child.suspend()
        before = time.thread_time()

        for _ in range(20_000):  # more than a pipe holds
            session.interrupt()

        child.resume()
        assert time.thread_time() - before < 5
        assert session.step([SlotTokens(0, np.array([7]))]).logits.shape == (1, 512)


def test_what_a_plugin_prints_and_reads_is_not_the_conversation(
    plugins: Plugins, capfd: pytest.CaptureFixture[str]
) -> None:
    fault = (
        "def fault(self, output):\n    print('in Python')\n    os.write(1, b'past Python')\n"
        "    assert sys.stdin.read() == ''\n    return output"
    )
    with isolated(plugins, session=fault) as session:
        output = session.step([SlotTokens(0, np.array([33]))])

    printed = capfd.readouterr()
    assert output.logits.shape == (1, 512)
    assert printed.out == ""
    assert "in Python" in printed.err
    assert "past Python" in printed.err


def test_the_process_imports_no_more_than_it_needs(plugins: Plugins) -> None:
    told = "def fault(self, output):\n    raise BackendError(' '.join(each.split('.')[0] for each in sys.modules))"

    with isolated(plugins, session=told) as session, pytest.raises(BackendError) as caught:
        session.step([SlotTokens(0, np.array([33]))])

    heavy = {"quart", "hypercorn", "pydantic", "click", "tokenizers", "asyncio", "onnxruntime", "jinja2"}
    assert not heavy & set(str(caught.value).split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_all_processes_of_a_service_get_leaves_running_steps_to_the_server(
    plugins: Plugins, number: signal.Signals
) -> None:
    with isolated(plugins) as session:
        send_signal(host_of(session).pid, number)

        assert session.step([SlotTokens(0, np.array([7]))]).logits.shape == (1, 512)


def test_a_backend_that_another_process_cannot_find_is_refused() -> None:
    class Registered(ReferenceBackend):
        name = "registered"

    register(Registered())
    try:
        (backend,) = (each.backend for each in discover(allow=["registered"]) if each.name == "registered")
        assert backend is not None

        with pytest.raises(ModelError, match="do without --isolate"):
            open_isolated(backend, FOLDER, OpenOptions())
    finally:
        unregister("registered")


def test_arrays_that_do_not_fit_the_window_are_handed_over_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_window, "WINDOW_BYTES", 4096)
    window = ArrayWindow(new_memory())
    small, large = np.arange(100, dtype=np.int64), np.ones((2, 600), np.float32)

    told = window.put([large, small, None, small.astype(np.float32)])

    assert told[0] is large
    assert isinstance(told[1], Place)
    assert all(
        (each is None and got is None) or (each is not None and got is not None and (each == got).all())
        for each, got in zip([large, small, None, small.astype(np.float32)], window.get(told), strict=True)
    )
