"""A child that crashes, is ended or hangs: what its session tells, and that nothing of it stays."""

from __future__ import annotations

import gc
import os
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from jan_ort.plugins.isolation import session_process
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort_backends import BackendError, DeviceLost, ModelError, Session, SlotTokens
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.backends.plugins import Plugins
from tests.plugins.isolation.processes import OPTIONS, host_of, hosts, isolated

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

CRASHES = [
    pytest.param("import ctypes; ctypes.string_at(0)", "SIGSEGV", marks=POSIX),
    pytest.param("os.kill(os.getpid(), 9)", "SIGKILL: the system ended it, perhaps for lack of memory", marks=POSIX),
    pytest.param("os.abort()", "SIGABRT", marks=POSIX),
    pytest.param("os._exit(5)", "ended with status 5"),
]


def step(session: Session, *token_ids: int) -> object:
    return session.step([SlotTokens(0, np.array(token_ids))])


CALLS: dict[str, Callable[[Session], object]] = {
    "step(self, batch)": lambda session: step(session, 7),
    "embed(self, batch)": lambda session: session.embed([np.array([7])]),
    "truncate(self, slot, length)": lambda session: session.truncate(0, 0),
    "fork(self, source, target, length)": lambda session: session.fork(0, 1, 0),
}


@pytest.mark.parametrize(("crash", "told"), CRASHES)
def test_a_crash_in_a_step_is_a_lost_device_that_may_come_back(plugins: Plugins, crash: str, told: str) -> None:
    with isolated(plugins, session=f"def fault(self, output):\n    {crash}") as session:
        step(session, 7)

        for _ in range(2):  # and so it stays
            with pytest.raises(DeviceLost) as caught:
                step(session, 33)
            assert caught.value.recoverable
            assert told in str(caught.value)
            assert "'faulty'" in str(caught.value)

    assert hosts() == []


@pytest.mark.parametrize("method", CALLS)
def test_a_crash_in_any_call_is_a_lost_device(plugins: Plugins, method: str) -> None:
    with (
        isolated(plugins, session=f"def {method}:\n    os._exit(5)") as session,
        pytest.raises(DeviceLost, match="status 5"),
    ):
        CALLS[method](session)


def test_a_child_that_is_ended_between_two_steps_is_a_lost_device(plugins: Plugins) -> None:
    with isolated(plugins) as session:
        step(session, 7)
        child = host_of(session)
        child.kill()
        child.wait()

        session.interrupt()
        with pytest.raises(DeviceLost):
            step(session, 8)


@pytest.mark.parametrize(("crash", "told"), CRASHES)
def test_a_crash_while_opening_is_a_model_error(plugins: Plugins, crash: str, told: str) -> None:
    plugins.install_backend("faulty", backend=f"def open(self, model_dir, options):\n    {crash}")

    with pytest.raises(ModelError) as caught:
        open_isolated(plugins.load("faulty"), FOLDER, OPTIONS)

    assert told in str(caught.value)
    assert str(FOLDER) in str(caught.value)
    assert hosts() == []


def test_where_no_process_can_be_started_the_model_cannot_be_opened(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins.install_backend("faulty")
    monkeypatch.setattr(sys, "executable", str(plugins.root / "nothing"))

    with pytest.raises(ModelError, match="no process can be started"):
        open_isolated(plugins.load("faulty"), FOLDER, OPTIONS)


def test_what_the_backend_says_of_a_model_it_cannot_open_is_told(plugins: Plugins, tmp_path: Path) -> None:
    plugins.install_backend("faulty", backend="def open(self, model_dir, options):\n    raise OutOfMemory('9 GB')")

    with pytest.raises(Exception, match="9 GB") as caught:
        open_isolated(plugins.load("faulty"), tmp_path, OPTIONS)

    assert caught.typename == "OutOfMemory"
    assert hosts() == []


@pytest.mark.parametrize(("crash", "told"), CRASHES)
def test_a_crash_while_closing_is_only_logged(
    plugins: Plugins, crash: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with isolated(plugins, session=f"def close(self):\n    {crash}") as session:
        step(session, 7)

    assert told in caplog.text
    assert hosts() == []


def test_a_close_that_hangs_is_ended(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session_process, "CLOSE_S", 0.3)

    with isolated(plugins, session="def close(self):\n    time.sleep(600)"):
        pass

    assert "did not return, and was ended" in caplog.text
    assert hosts() == []


def test_a_step_that_hangs_is_ended_from_another_thread(plugins: Plugins) -> None:
    with isolated(plugins, session="def fault(self, output):\n    time.sleep(600)") as session:
        timer = threading.Timer(0.3, session.kill)
        timer.start()
        with pytest.raises(DeviceLost, match="did not return, and was ended"):
            step(session, 33)
        timer.join()


def test_a_device_that_is_lost_for_its_process_may_come_back_in_another(plugins: Plugins) -> None:
    lost = "def fault(self, output):\n    raise DeviceLost('CUDA failure 700', recoverable=False)"

    with isolated(plugins, session=lost) as session, pytest.raises(DeviceLost, match="700") as caught:
        step(session, 33)

    assert caught.value.recoverable


def test_a_session_whose_info_is_impossible_is_refused(plugins: Plugins) -> None:
    info = "def __init__(self, *given):\n    super().__init__(*given)\n    self.info = replace(self.info, num_slots=0)"

    with pytest.raises(BackendError, match="num_slots is 0"), isolated(plugins, session=info):
        pass

    assert hosts() == []


def test_half_an_answer_is_a_lost_device(plugins: Plugins) -> None:
    cut = (
        "def fault(self, output):\n    import gc, io\n"
        "    pipe = next(each for each in gc.get_objects() if isinstance(each, io.BufferedWriter)"
        " and each.name not in (1, 2, 'stdout'))\n"
        "    pipe.write(b'\\x80\\x05\\x95\\xff\\x00')\n    pipe.flush()\n    os._exit(0)"
    )

    with isolated(plugins, session=cut) as session, pytest.raises(DeviceLost):
        step(session, 33)


def test_a_session_that_nobody_closes_ends_with_its_object(plugins: Plugins) -> None:
    plugins.install_backend("faulty")
    session = open_isolated(plugins.load("faulty"), FOLDER, OPTIONS)
    child = host_of(session)

    with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # its pipes
        del session
        gc.collect()

    assert not psutil.pid_exists(child.pid)


def test_sessions_leave_no_descriptor_behind(plugins: Plugins) -> None:
    fault = "def fault(self, output):\n    os._exit(5)"
    with isolated(plugins, session=fault) as session:  # what is only opened once
        step(session, 7)
    count = psutil.Process(os.getpid()).num_fds if sys.platform != "win32" else psutil.Process(os.getpid()).num_handles
    gc.collect()  # what earlier tests left is not to go meanwhile
    before = count()

    for crashes in (False, True):
        session = open_isolated(plugins.load("faulty"), FOLDER, OPTIONS)
        if crashes:
            with pytest.raises(DeviceLost):
                step(session, 33)
        session.close()
        del session

    gc.collect()
    assert count() <= before
