"""What we use of hypercorn and multiprocessing that nobody promises to keep; so hypercorn's version is bounded.

When one of these fails with a new hypercorn, mend the file that the test names before the bound is raised.
"""

from __future__ import annotations

import inspect
import multiprocessing
import types
from collections.abc import Mapping
from importlib import metadata
from multiprocessing.process import BaseProcess
from typing import Any

import hypercorn.protocol
import hypercorn.run
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.frame_buffer import FrameBuffer
from h2.stream import H2Stream
from hypercorn.asyncio import run, tcp_server
from hypercorn.config import Config
from hypercorn.protocol import h2, h11
from hypercorn.protocol.http_stream import HTTPStream
from packaging.requirements import Requirement

from jan_ort.http.protocol.installation import REPLACED


def test_the_installed_hypercorn_is_within_a_bound_that_has_an_end() -> None:
    (bound,) = [Requirement(each) for each in metadata.requires("jan-ort") or () if each.startswith("hypercorn")]

    assert metadata.version("hypercorn") in bound.specifier
    assert {each.operator for each in bound.specifier} == {">=", "<"}


def names(function: Any) -> set[str]:
    """Return the global names and attributes that a function uses, and those of the functions in it."""
    code: types.CodeType = function if isinstance(function, types.CodeType) else function.__code__
    inner = [names(each) for each in code.co_consts if isinstance(each, types.CodeType)]
    return set(code.co_names).union(*inner)


@pytest.mark.parametrize(
    ("function", "used"),
    [
        (run.worker_serve, {"TCPServer"}),
        (hypercorn.protocol.ProtocolWrapper.__init__, {"H11Protocol", "H2Protocol"}),
        (hypercorn.protocol.ProtocolWrapper.handle, {"H2Protocol"}),
        (h11.H11Protocol._create_stream, {"HTTPStream", "WSStream"}),
        (h2.H2Protocol._create_stream, {"HTTPStream", "WSStream", "StreamBuffer"}),
    ],
)
def test_what_is_replaced_is_looked_up_by_its_name(function: Any, used: set[str]) -> None:
    replaced = {name for _, name in REPLACED} | {"TCPServer"}

    assert used <= names(function), "jan_ort/http/protocol/installation.py replaces it"
    assert used <= replaced


@pytest.mark.parametrize("place", REPLACED, ids=lambda place: f"{place[0].__name__}.{place[1]}")
def test_what_stands_for_a_class_is_one_of_its_kind(place: tuple[types.ModuleType, str]) -> None:
    module, name = place
    upstream = [each for each in REPLACED[place].__mro__ if each.__module__.startswith("hypercorn.")]

    expected = "HTTPStream" if name == "WSStream" else name
    assert upstream[0].__name__ == expected, f"it stands for {module.__name__}.{name}"


OVERRIDDEN: Mapping[type, tuple[str, ...]] = {
    tcp_server.TCPServer: ("run", "protocol_send", "_read_data", "_close"),
    h11.H11Protocol: ("handle", "_maybe_recycle", "_send_error_response"),
    h2.H2Protocol: ("initiate", "handle", "_handle_events", "stream_send", "_send_data"),
    h2.StreamBuffer: ("push", "pop", "drain"),
    HTTPStream: ("handle", "app_send"),
}
CALLED: Mapping[type, tuple[str, ...]] = {
    h11.H11Protocol: ("_send_h11_event", "_handle_events", "_close_stream"),
    h2.H2Protocol: ("_flush", "_close_stream"),
    h2.StreamBuffer: ("close",),
    tcp_server.AsyncioSingleTask: ("stop",),
}


@pytest.mark.parametrize("owner", {**OVERRIDDEN, **CALLED}, ids=lambda owner: owner.__name__)
def test_what_is_overridden_or_called_is_a_coroutine_function(owner: type) -> None:
    methods = OVERRIDDEN.get(owner, ()) + CALLED.get(owner, ())

    assert [name for name in methods if not inspect.iscoroutinefunction(getattr(owner, name, None))] == []


@pytest.mark.parametrize(
    ("owner", "attributes"),
    [
        (tcp_server.TCPServer, ("config", "idle_task", "context", "writer", "loop")),
        (tcp_server.WorkerContext, ("terminated",)),
        (hypercorn.protocol.ProtocolWrapper, ("protocol",)),
        (h11.H11Protocol, ("stream", "config", "connection", "client")),
        (h2.H2Protocol, ("connection", "streams", "stream_buffers", "priority", "keep_alive_requests", "client")),
        (h2.StreamBuffer, ("buffer", "_complete", "_is_empty", "_paused")),
        (HTTPStream, ("app", "closed")),
    ],
)
def test_what_is_set_and_read_has_its_name(owner: type, attributes: tuple[str, ...]) -> None:
    set_by = inspect.getsource(owner.__init__)

    assert [name for name in attributes if f"self.{name}" not in set_by] == []


def test_a_connection_hears_whether_it_is_idle_and_what_else_is_used_is_there() -> None:
    assert "Updated" in names(h11.H11Protocol._handle_events) & names(h11.H11Protocol._maybe_recycle)
    assert "Updated" in names(h2.H2Protocol.stream_send) & names(h2.H2Protocol._handle_events)
    assert "idle" in names(tcp_server.TCPServer.protocol_send)
    assert "start_time" in names(HTTPStream.handle), "jan_ort/http/protocol/tcp_connection.py finds the oldest by it"
    assert "state_machine" in vars(H2Connection())
    assert "_task_group" in names(tcp_server.TCPServer.run), "jan_ort/http/protocol/tcp_connection.py goes on in it"
    assert {"receive_data", "next_event"} <= names(h11.H11Protocol.handle) | names(h11.H11Protocol._handle_events)
    overridden = {"create_sockets", "create_ssl_context", "ssl_enabled"}
    assert overridden <= names(run.worker_serve), "jan_ort/http/hypercorn_server.py overrides them"


def test_h2_handles_frames_and_streams_by_these_names() -> None:
    connection = vars(H2Connection(H2Configuration(client_side=False)))
    stream = H2Stream(1, H2Configuration(client_side=False), 1, 1)

    assert "_receive_frame" in names(H2Connection.receive_data), "jan_ort/http/protocol/h2_connection.py overrides it"
    assert "open_inbound_streams" in names(H2Connection._receive_headers_frame)
    assert callable(H2Connection._prepare_for_sending)
    assert {"incoming_buffer", "local_settings", "streams"} <= set(connection)
    assert {"_data", "_headers_buffer"} <= set(vars(FrameBuffer()))
    assert {"_expected_content_length", "_actual_content_length"} <= set(vars(stream))
    assert {"state", "stream_closed_by"} <= set(vars(stream.state_machine))


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


def test_a_whole_answer_is_told_from_one_without_an_end() -> None:
    closing = inspect.getsource(HTTPStream._send_closed)

    told = closing.index("self.state = ASGIHTTPState.CLOSED"), closing.index("StreamClosed(")
    assert told == tuple(sorted(told)), "jan_ort/http/protocol/h2_protocol.py resets a stream that is closed before"
