"""Prompts of 5 MB whose clients leave: the next short one is answered, and the memory is given back.

``pytest -s tests/endurance/test_long_texts.py`` prints the figures.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import psutil
import pytest

from jan_ort.models.tokenizer import MAX_TEXT_BYTES
from tests.e2e.server_process import serve
from tests.endurance.departing import request

TEXT = "The quick brown fox jumps over the lazy dog, and runs. " * 91_000
HUGE = {
    "/v1/completions": {"prompt": TEXT},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": TEXT}]},
    "/v1/embeddings": {"input": TEXT},
    "/extras/tokenize": {"input": TEXT[:MAX_TEXT_BYTES]},
}


async def abandon(port: int, whole: bytes) -> None:
    """Send a request and leave."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(whole)
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()


async def answer_s(port: int) -> float:
    """Return how long a chat of one word takes."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("HTTP/1.1", "/v1/chat/completions", body).whole)
    assert await reader.read(12) == b"HTTP/1.1 200"
    writer.close()
    return time.perf_counter() - begun


@pytest.mark.timeout(300)
@pytest.mark.skipif(sys.platform != "linux", reason="looks at what glibc gives back")
@pytest.mark.parametrize("path", HUGE)
async def test_six_abandoned_texts_of_5_mb_hold_nobody_up_and_leave_nothing(path: str, tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference") as server:
        process, port = psutil.Process(server.process.pid), int(server.url.rsplit(":", 1)[1])
        for _ in range(2):  # the first time fills caches
            before = process.memory_info().rss
            await asyncio.gather(*(abandon(port, request("HTTP/1.1", path, HUGE[path]).whole) for _ in range(6)))
            took_s = await answer_s(port)
            spent_s = -1.0
            while (now := sum(process.cpu_times()[:2])) != spent_s:
                spent_s = now
                await asyncio.sleep(1)
        grown_mb = (process.memory_info().rss - before) / 1e6

    print(f"{path}: a chat beside it after {took_s:.2f} s, memory grown by {grown_mb:.1f} MB")
    assert grown_mb < 30
