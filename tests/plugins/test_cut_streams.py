"""A stream that ends in an error looks cut to its client, at once, and to nobody else."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import h2.events
import pytest

from tests.backends.plugins import Plugins
from tests.http.protocol.raw_clients import COMPLETIONS, Http2Client, http2, listening
from tests.http.protocol.test_h2_streams import COMPLETION

FAULT = "def fault(self, output):\n    raise OSError('no device')"


def asked(prompt: str) -> bytes:
    return json.dumps({"prompt": prompt, "max_tokens": 200, "min_tokens": 200, "stream": True}).encode()


@pytest.fixture
async def port(plugins: Plugins) -> AsyncIterator[int]:
    """The port of a server whose backend fails at a "!"."""
    plugins.install_backend("faulty", session=FAULT)
    async with listening(backend="faulty") as number:
        yield number


async def test_in_http1_its_connection_ends_without_a_last_chunk(port: int) -> None:
    body = asked("!")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(COMPLETIONS + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()

    assert b"raised OSError in step: no device" in answer
    assert not answer.endswith(b"0\r\n\r\n")


async def test_in_http2_it_is_reset_and_the_others_of_its_connection_go_on(port: int) -> None:
    async with http2(port) as client:
        before = client.request(COMPLETION, end_stream=False)
        client.send(before, asked("Hello"), end_stream=True)
        await client.read_until(lambda: text_of(client, before) != b"")
        cut = client.request(COMPLETION, end_stream=False)
        client.send(cut, asked("!"), end_stream=True)

        await client.read_until(lambda: client.is_over(before) and client.is_over(cut))
        after = client.request(COMPLETION, end_stream=False)
        client.send(after, asked("Hello"), end_stream=True)
        await client.read_until(lambda: client.is_over(after))

        assert [each.stream_id for each in client.of(h2.events.StreamReset)] == [cut]
        assert b"raised OSError in step: no device" in text_of(client, cut)
        assert text_of(client, before).endswith(b"data: [DONE]\n\n")
        assert text_of(client, after).endswith(b"data: [DONE]\n\n")


def text_of(client: Http2Client, stream_id: int) -> bytes:
    return b"".join(each.data for each in client.of(h2.events.DataReceived) if each.stream_id == stream_id)
