"""Binding: a port is had or refused before anything is loaded."""

from __future__ import annotations

import socket

import pytest

from jan_ort.http.launcher import BindError, bind


def test_port_zero_takes_a_free_one_and_listens() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with socket.create_connection(("127.0.0.1", port), timeout=5):
            assert port > 0


def test_a_port_in_use_is_refused_in_one_line() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(BindError) as error:
            bind("127.0.0.1", port)

    assert f"127.0.0.1:{port}" in str(error.value)
    assert "choose another --host or --port" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.7", "a..b", "a" * 300, "\0"])
def test_an_address_that_is_not_ours_is_refused(host: str) -> None:
    with pytest.raises(BindError, match="cannot listen on"):
        bind(host, 0)


def test_a_port_can_be_taken_again_at_once() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port), timeout=5)
        accepted, _ = _accept(first)
        accepted.close()  # the server closes first, which leaves the port in TIME_WAIT
        client.close()

    with bind("127.0.0.1", port) as second:
        assert second.getsockname()[1] == port


def _accept(listener: socket.socket) -> tuple[socket.socket, object]:
    listener.settimeout(5)
    return listener.accept()
