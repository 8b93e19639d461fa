"""Pictures at URLs: of hosts that are named, at public addresses, within bounds of size and time."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest

from jan_ort.images.data_url import ImageFile
from jan_ort.images.fetching import fetch
from jan_ort.images.image_errors import ImageError
from jan_ort.images.public_address import is_public, public_address
from jan_ort.images.resolving import MAX_LOOKUPS


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/drip":
            self.drip()
        elif self.path.startswith("/to/"):
            self.answer(302, b"", Location=self.path[4:])
        elif self.path == "/large":
            self.answer(200, b"x", **{"Content-Length": str(10**9)})
        elif self.path == "/half":
            self.answer(200, b"abc", **{"Content-Length": "9"})
        elif self.path == "/gzip":
            self.answer(200, b"abc", **{"Content-Encoding": "gzip"})
        else:
            self.answer(200 if self.path == "/a.png" else 404, b"pixels")

    def answer(self, status: int, content: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "Image/PNG; q=1", "Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def drip(self) -> None:
        try:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
            for _ in range(300):
                self.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            return

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server: HTTPServer = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def here(host: str, port: int) -> str:
    return "127.0.0.1" if host == "pictures.test" else public_address(host, port)


def fetched(port: int, path: str, limit_s: float = 10) -> ImageFile:
    return fetch(f"http://pictures.test:{port}/{path}", [f"pictures.test:{port}", "localhost"], here, limit_s)


def test_the_file_and_its_type_come_from_the_checked_address(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert fetched(port, "a.png") == ImageFile(b"pixels", "image/png")
    assert fetched(port, "to//a.png").content == b"pixels"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("none", "answered 404"),
        ("large", "has 1000000000 bytes"),
        ("half", "a part of it only|IncompleteRead"),
        ("gzip", "sent it compressed"),
        ("to/http://localhost/a.png", "'localhost' is at .*, which is not a public address"),
        ("to/http://other.test/a.png", "does not fetch images from 'other.test'"),
        ("to/file:///etc/passwd", "not an http or https URL"),
        ("to/to/to/to/to/a.png", "answered 404|redirects more than"),
    ],
)
def test_what_is_not_to_be_had_is_told(port: int, path: str, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        fetched(port, path)


def test_time_is_bounded_however_slowly_bytes_come(port: int) -> None:
    started = time.monotonic()

    with pytest.raises(ImageError, match="it took too long"):
        fetched(port, "drip", limit_s=0.5)

    assert time.monotonic() - started < 8


def test_time_is_bounded_however_long_a_name_takes() -> None:
    released, started = threading.Event(), time.monotonic()

    def resolve(host: str, port: int) -> str:
        released.wait()
        return "127.0.0.1"

    with pytest.raises(ImageError, match=r"no address of pictures\.test was found in time"):
        fetch("http://pictures.test/a.png", ["pictures.test"], resolve, 0.2)
    released.set()

    assert time.monotonic() - started < 8


def test_lookups_that_hang_are_bounded_and_give_their_turns_back(port: int) -> None:
    ended, before = threading.Event(), threading.active_count()

    def resolve(host: str, port: int) -> str:
        ended.wait()
        return "127.0.0.1"

    try:
        for _ in range(MAX_LOOKUPS + 5):
            with pytest.raises(ImageError, match="was found in time"):
                fetch("http://slow.test/a.png", ["slow.test"], resolve, limit_s=0.05)
        assert threading.active_count() - before <= MAX_LOOKUPS
        with pytest.raises(ImageError, match=r"no address of pictures\.test was found in time"):
            fetched(port, "a.png", limit_s=0.05)
    finally:
        ended.set()

    assert fetched(port, "a.png").content == b"pixels"


def test_a_handshake_has_the_time_that_connecting_left(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.create_connection

    def slowly(address: tuple[str, int], timeout: float) -> socket.socket:
        time.sleep(1.6)
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", slowly)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"pictures.test:{silent.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(ImageError, match="it took too long"):
            fetch(f"https://{place}/a.png", [place], here, limit_s=2.0)

    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "http://example.org/a.png",
            "does not fetch images from 'example.org'; start it with --allow-image-url example.org",
        ),
        ("https://pictures.test.example.org/a", "does not fetch images from"),
        ("https://a.pictures.test:8443/a", "does not fetch images from 'a.pictures.test:8443'"),
        ("https://user@a.pictures.test/a", "user name"),
        ("https://a.pictures.test/a\r\nHost: b", "characters that no URL has|does not fetch images"),
        ("https://[::1/a", "is not a URL"),
        ("https://[2606:4700::1111]/a", "IPv6 address 2606:4700::1111, which cannot be allowed; send the host's name"),
        ("ftp://a.pictures.test/a", "not an http or https URL"),
    ],
)
def test_only_hosts_that_are_named_are_asked(url: str, told: str) -> None:
    with pytest.raises(ImageError, match=told):
        fetch(url, ["*.pictures.test"])


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "240.0.0.1",
        "255.255.255.255",
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_an_address_outside_is(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))
