"""A KeyboardInterrupt out of a session is the plugin's failure; the user's Ctrl-C ends the waiting for an answer."""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from jan_ort.plugins.asking import within
from jan_ort.plugins.guarded_session import open_session
from jan_ort_backends import BackendError, ModelError, OpenOptions, Session, SlotTokens
from tests.backends.plugins import Plugins

RAISE = "raise KeyboardInterrupt"


def in_a_thread(call: Callable[[], object]) -> BaseException | None:
    """Return what ``call`` raises in a thread that is not the main one."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(call).exception()


def opened(plugins: Plugins, session: str = "", backend: str = "") -> Session:
    plugins.install_backend("faulty", session=session, backend=backend)
    return open_session(plugins.load("faulty"), Path(), OpenOptions(num_slots=1))


def test_in_open_it_is_a_model_error(plugins: Plugins) -> None:
    error = in_a_thread(lambda: opened(plugins, backend=f"def open(self, model_dir, options):\n    {RAISE}"))

    assert type(error) is ModelError
    assert "KeyboardInterrupt" in str(error)


def test_in_a_sessions_info_it_is_a_backend_error(plugins: Plugins) -> None:
    info = f"@property\ndef info(self):\n    {RAISE}\n@info.setter\ndef info(self, given):\n    pass"

    error = in_a_thread(lambda: opened(plugins, session=info))

    assert type(error) is BackendError
    assert "KeyboardInterrupt" in str(error)


@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("step(self, batch)", lambda session: session.step([SlotTokens(0, np.array([1]))])),
        ("embed(self, batch)", lambda session: session.embed([np.array([1])])),
        ("truncate(self, slot, length)", lambda session: session.truncate(0, 0)),
    ],
)
def test_in_a_method_it_is_a_backend_error(plugins: Plugins, method: str, call: Callable[[Session], object]) -> None:
    session = opened(plugins, session=f"def {method}:\n    {RAISE}")

    error = in_a_thread(lambda: call(session))

    assert type(error) is BackendError
    assert str(error) == f"backend 'faulty' raised KeyboardInterrupt in {method.partition('(')[0]}"


def test_while_closing_it_is_only_logged(plugins: Plugins, caplog: pytest.LogCaptureFixture) -> None:
    session = opened(plugins, session=f"def close(self):\n    {RAISE}")

    error = in_a_thread(session.close)

    assert error is None
    assert "failed to close a session" in caplog.text


def test_the_users_own_ends_the_waiting_for_a_plugin() -> None:
    with pytest.raises(KeyboardInterrupt):
        within(lambda: _thread.interrupt_main() or time.sleep(0.1))
