"""``python -m pytest tests/endurance/test_hostile_bytes.py``: a million malformed bytes, no 5xx and no traceback."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.server_process import serve
from tests.http.protocol.hostile_bytes import send

NUM_BYTES = 125_000


@pytest.mark.parametrize("seed", range(8))
def test_malformed_bytes_are_no_fault_of_the_server(tmp_path: Path, seed: int) -> None:
    with serve(tmp_path, "--backend", "reference") as server:
        process = psutil.Process(server.process.pid)
        num_threads = process.num_threads()

        answered = asyncio.run(send(int(server.url.rpartition(":")[2]), NUM_BYTES, seed))

        assert httpx.get(f"{server.url}/health").status_code == 200
        assert process.num_threads() <= num_threads + 2
    lines = server.log.read_text()
    assert re.findall(rb"HTTP/1\.1 5(?!01)\d\d", answered) == []
    assert [
        line for line in lines.splitlines() if re.search(r"Traceback|ERROR| 5\d\d [a-z_]+(, |$)| was ended by", line)
    ] == []
