"""Some of what ``tests/endurance/test_hostile_bytes.py`` sends much of."""

from __future__ import annotations

import re

import pytest

from tests.http.protocol.hostile_bytes import send
from tests.http.protocol.raw_clients import HEALTH, ask


async def test_malformed_bytes_are_no_fault_of_the_server(port: int, caplog: pytest.LogCaptureFixture) -> None:
    answered = await send(port, 30_000, seed=13)

    assert re.findall(rb"HTTP/1\.1 5(?!01)\d\d", answered) == []
    assert [line for line in caplog.messages if re.search(r" 5\d\d [a-z_]+(, |$)|was ended by", line)] == []
    assert (await ask(port, HEALTH)).startswith(b"HTTP/1.1 200")
