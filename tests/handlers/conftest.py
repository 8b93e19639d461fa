"""A client of the app over the reference backend."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from quart import Quart

from tests.handlers.serving import Client, serving


@pytest.fixture
async def app() -> AsyncIterator[Quart]:
    async with serving() as app:
        yield app


@pytest.fixture
def client(app: Quart) -> Client:
    return app.test_client()
