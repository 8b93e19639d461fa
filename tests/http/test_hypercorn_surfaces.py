"""What we use of hypercorn and multiprocessing that nobody promises to keep; so hypercorn's version is bounded.

When one of these fails with a new hypercorn, mend the file that the test names before the bound is raised.
"""

from __future__ import annotations

import inspect
import multiprocessing
import types
from importlib import metadata
from multiprocessing.process import BaseProcess
from typing import Any

import hypercorn.run
from hypercorn.asyncio import run, tcp_server
from hypercorn.config import Config
from packaging.requirements import Requirement


def test_the_installed_hypercorn_is_within_a_bound_that_has_an_end() -> None:
    (bound,) = [Requirement(each) for each in metadata.requires("jan-ort") or () if each.startswith("hypercorn")]

    assert metadata.version("hypercorn") in bound.specifier
    assert {each.operator for each in bound.specifier} == {">=", "<"}


def test_each_connection_is_made_from_the_name_that_hypercorn_server_replaces() -> None:
    inner = [each for each in run.worker_serve.__code__.co_consts if isinstance(each, types.CodeType)]
    (accept,) = [each for each in inner if each.co_name == "_server_callback"]

    assert issubclass(run.TCPServer, tcp_server.TCPServer)  # type: ignore[attr-defined]
    assert "TCPServer" in accept.co_names, "jan_ort/http/hypercorn_server.py replaces hypercorn.asyncio.run.TCPServer"


def test_a_connection_has_what_hypercorn_server_overrides_and_uses() -> None:
    run_code, init = inspect.getsource(tcp_server.TCPServer.run), inspect.getsource(tcp_server.TCPServer.__init__)

    assert inspect.iscoroutinefunction(tcp_server.TCPServer._read_data)
    assert "self._read_data()" in run_code, "jan_ort/http/hypercorn_server.py ends a connection when this returns"
    assert [name for name in ("idle_task", "context", "writer") if f"self.{name} = " not in init] == []
    assert inspect.iscoroutinefunction(tcp_server.AsyncioSingleTask.stop)
    assert "self.terminated = " in inspect.getsource(tcp_server.WorkerContext)


def test_a_worker_is_given_the_event_that_shutdown_looks_for() -> None:
    given: list[dict[str, Any]] = []

    class Context:
        class Process:
            sentinel = 0

            def __init__(self, target: Any, kwargs: dict[str, Any]) -> None:
                given.append(kwargs)

            def start(self) -> None:
                pass

    config, event = Config(), object()
    config.workers = 1
    hypercorn.run._populate([], config, lambda: None, None, event, Context())  # type: ignore[arg-type]

    assert [each["shutdown_event"] for each in given] == [event], "jan_ort/http/shutdown.py looks for this key"


def test_a_process_keeps_the_arguments_that_shutdown_reads() -> None:
    event = object()
    process: BaseProcess = multiprocessing.get_context("spawn").Process(kwargs={"shutdown_event": event})

    assert process._kwargs["shutdown_event"] is event, "jan_ort/http/shutdown.py reads them"  # type: ignore[attr-defined]
