"""One server for each module, into which the tests plant faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.kit.broken_server import BrokenServer, broken_server, listening


@pytest.fixture(scope="module")
def server() -> BrokenServer:
    return broken_server()


@pytest.fixture(scope="module")
def url(server: BrokenServer) -> Iterator[str]:
    with listening(server) as url:
        yield url


@pytest.fixture(scope="module")
def image_server() -> BrokenServer:
    """A server whose model reads images."""
    return broken_server(model="reference-images")


@pytest.fixture(scope="module")
def image_url(image_server: BrokenServer) -> Iterator[str]:
    with listening(image_server) as url:
        yield url


@pytest.fixture
def sound_afterwards(server: BrokenServer) -> Iterator[None]:
    yield
    server.plant(None)
