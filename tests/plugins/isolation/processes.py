"""What tests of isolated sessions share: opening one, and the processes that are there for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from jan_ort.plugins.isolation.isolated_session import IsolatedSession, open_isolated
from jan_ort_backends import OpenOptions
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.backends.plugins import Plugins

OPTIONS = OpenOptions(num_slots=3, context_length=64)


def is_host(process: psutil.Process) -> bool:
    """Return whether a process is one of an isolated session."""
    try:
        return any("session_host" in word for word in process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def hosts(parent: int | None = None) -> list[psutil.Process]:
    """Return the processes of isolated sessions below ``parent``, this process if it is not given."""
    return [each for each in psutil.Process(parent).children(recursive=True) if is_host(each)]


def host_of(session: IsolatedSession) -> psutil.Process:
    """Return the process of a session."""
    return psutil.Process(session._process.pid)


@contextmanager
def isolated(plugins: Plugins, *, session: str = "", backend: str = "") -> Iterator[IsolatedSession]:
    """Install the faulty backend and open a session of it in a process of its own."""
    plugins.install_backend("faulty", session=session, backend=backend)
    opened = open_isolated(plugins.load("faulty"), FOLDER, OPTIONS)
    try:
        yield opened
    finally:
        opened.close()
