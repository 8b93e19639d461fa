"""A picture at an http(s) URL, from hosts that the operator has named (hop 3).

The connection goes to the very address that was checked, so no name can mean another one a moment later; a redirect is
checked like the URL itself; and no proxy is asked, for it would resolve names by itself.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Collection
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from jan_ort.images.data_url import MAX_FILE_BYTES, ImageFile, check_file_size
from jan_ort.images.image_errors import ImageError
from jan_ort.images.public_address import public_address
from jan_ort.images.resolving import Resolve, resolve_by

MAX_REDIRECTS = 3
MAX_URL_LENGTH = 4096
FETCH_S = 10.0
"""Seconds that a picture may take, redirects and all."""

_PORTS = {"http": 80, "https": 443}
_CHUNK = 2**16


class _Place(NamedTuple):
    scheme: str
    host: str
    port: int
    target: str


def fetch(url: str, allowed: Collection[str], resolve: Resolve = public_address, limit_s: float = FETCH_S) -> ImageFile:
    """Return the file at a URL whose host is among ``allowed`` (``example.org``, ``*.example.org``, ``host:8080``).

    Raises: ImageError.
    """
    ends_at = time.monotonic() + limit_s
    for _ in range(MAX_REDIRECTS + 1):
        place = _checked(url, allowed)
        found = _ask(place, resolve_by(ends_at, resolve, place.host, place.port), ends_at)
        if isinstance(found, ImageFile):
            return found
        url = urljoin(url, found)
    raise ImageError(f"it redirects more than {MAX_REDIRECTS} times")


def _checked(url: str, allowed: Collection[str]) -> _Place:
    """Return where a URL leads. Raises: ImageError unless the operator allows that."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError as error:
        raise ImageError(f"it is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not host or len(url) > MAX_URL_LENGTH:
        raise ImageError("it is not an http or https URL of at most 4096 characters")
    if parts.username is not None or not (url.isascii() and url.isprintable()) or " " in url:
        raise ImageError("its URL has a user name, or characters that no URL has")
    if ":" in host:
        raise ImageError(f"its host is the IPv6 address {host}, which cannot be allowed; send the host's name")
    own = _PORTS[parts.scheme]
    name = host if port in (None, own) else f"{host}:{port}"
    if not any(name == each or (each[:2] == "*." and name.endswith(each[1:])) for each in map(str.lower, allowed)):
        raise ImageError(f"this server does not fetch images from {name!r}; start it with --allow-image-url {name}")
    query = f"?{parts.query}" if parts.query else ""
    return _Place(parts.scheme, host, port or own, f"{parts.path or '/'}{query}")


def _ask(place: _Place, address: str, ends_at: float) -> ImageFile | str:
    """Return the file, or where a redirect leads. Raises: ImageError."""
    try:
        with closing(_connection(place, address, ends_at)) as connection:
            # Whatever the other side does byte by byte, its time ends.
            ender = threading.Timer(max(0.0, ends_at - time.monotonic()), _end, [connection])
            ender.daemon = True
            ender.start()
            try:
                headers = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "jan-ort"}
                connection.request("GET", place.target, headers=headers)
                found = _read(connection.getresponse(), place)
                if time.monotonic() >= ends_at:  # it was cut, and may look whole
                    raise TimeoutError
                if isinstance(found, ImageFile):
                    check_file_size(len(found.content))
                return found
            finally:
                ender.cancel()
    except (OSError, HTTPException) as error:
        late = "it took too long" if time.monotonic() >= ends_at else f"{type(error).__name__}: {error}"
        raise ImageError(f"{place.host} did not send it: {late}"[:300]) from error


def _connection(place: _Place, address: str, ends_at: float) -> HTTPConnection:
    """Connect to the checked address; the host's name is for its certificate and its virtual hosts."""
    plain = socket.create_connection((address, place.port), timeout=_left_s(ends_at))
    try:
        plain.settimeout(_left_s(ends_at))
        connection = HTTPConnection(place.host, place.port)
        is_secure = place.scheme == "https"
        context = ssl.create_default_context() if is_secure else None
        connection.sock = context.wrap_socket(plain, server_hostname=place.host) if context else plain
    except BaseException:
        plain.close()
        raise
    return connection


def _left_s(ends_at: float) -> float:
    """Return the seconds that are left. Raises: TimeoutError if there are none."""
    if (left_s := ends_at - time.monotonic()) <= 0:
        raise TimeoutError
    return left_s


def _end(connection: HTTPConnection) -> None:
    with suppress(OSError, AttributeError):  # it has ended meanwhile
        connection.sock.shutdown(socket.SHUT_RDWR)


def _read(response: HTTPResponse, place: _Place) -> ImageFile | str:
    location = response.getheader("Location")
    if response.status in (301, 302, 303, 307, 308) and location:
        return location
    if response.status != 200:
        raise ImageError(f"{place.host} answered {response.status}")
    if (response.length or 0) > MAX_FILE_BYTES:
        check_file_size(response.length or 0)
    if response.getheader("Content-Encoding", "identity").lower() != "identity":
        raise ImageError(f"{place.host} sent it compressed, which was not asked for")
    content = bytearray()
    while chunk := response.read1(_CHUNK):
        content += chunk
        if len(content) > MAX_FILE_BYTES:
            check_file_size(len(content))
    if response.length:
        raise ImageError(f"{place.host} sent a part of it only")
    return ImageFile(bytes(content), response.getheader("Content-Type", "").partition(";")[0].strip().lower())
