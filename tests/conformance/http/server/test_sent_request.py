"""The line that sends a request again is short, and a shell sends the same bytes by it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from jan_ort_conformance.http.server.sent_request import SentRequest

BODIES = [
    json.dumps({"prompt": "a " * 2**20, "max_tokens": 1}).encode(),
    json.dumps({"messages": [{"role": "user", "content": "word " * 9000}], "x": "'\\\n\u00e9" * 2000}).encode(),
    b"[" * 100_000,
    b'{"a": "\xff\'"}',
    b"{}",
]


@pytest.mark.skipif(sys.platform == "win32", reason="the lines are for a POSIX shell")
@pytest.mark.parametrize("body", BODIES, ids=len)
def test_a_line_sends_the_same_bytes(body: bytes) -> None:
    line = SentRequest("POST", "http://x", {"Content-Type": "application/json"}, body, "").curl()
    # In place of curl: the last argument, or standard input where that is @-.
    curl = 'curl() { [ "${!#}" = @- ] && cat || printf %s "${!#}"; }; '

    run = subprocess.run(["bash", "-c", curl + line], capture_output=True, check=True)

    assert run.stdout == body
    assert len(line) < 5000
