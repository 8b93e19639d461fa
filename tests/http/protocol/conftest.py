"""A server that all tests of a file share, and the watch on what it logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.http.protocol.raw_clients import listening


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server without a key."""
    async with listening() as number:
        yield number


@pytest.fixture(autouse=True)
def _no_traceback(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a client sends, no line of the log has a traceback."""
    yield
    assert [each.getMessage() for each in caplog.get_records("call") if each.exc_info] == []
