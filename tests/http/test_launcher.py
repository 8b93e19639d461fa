"""Binding: a port is had or refused before anything is loaded."""

from __future__ import annotations

import socket

import pytest

from jan_ort.http.launcher import BindError, bind, bind_all


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


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET6, 1, 6, "", (each, port, 0, 0)) if ":" in each else (socket.AF_INET, 1, 6, "", (each, port))
            for each in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def addresses_of(listeners: list[socket.socket]) -> list[str]:
    found = [each.getsockname() for each in listeners]
    for each in listeners:
        each.close()
    assert len({address[1] for address in found}) == 1
    return [address[0] for address in found]


def test_a_name_is_listened_on_at_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "127.0.0.2", "127.0.0.1", "127.0.0.2")

    assert addresses_of(bind_all("nas", 0)) == ["127.0.0.2", "127.0.0.1"]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_localhost_is_both_of_its_addresses() -> None:
    assert addresses_of(bind_all("localhost", 0)) == ["127.0.0.1", "::1"]


def test_an_address_that_is_not_here_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, "203.0.113.7", "127.0.0.1")

    assert addresses_of(bind_all("nas", 0)) == ["127.0.0.1"]


def test_an_address_that_is_taken_is_refused_and_none_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")

        with pytest.raises(BindError, match="cannot listen on nas"):
            bind_all("nas", port)
        bind("127.0.0.2", port).close()


def _accept(listener: socket.socket) -> tuple[socket.socket, object]:
    listener.settimeout(5)
    return listener.accept()
