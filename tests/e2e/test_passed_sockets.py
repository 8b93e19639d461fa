"""A socket that listens before the server begins, as systemd passes one."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.e2e.server_process import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of POSIX")

PASSING = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.executable, [sys.executable, "-m", "jan_ort", "serve", "--backend", "reference", *sys.argv[2:]])
"""


def start(listener: socket.socket, folder: Path) -> subprocess.Popen[str]:
    number = listener.fileno()
    return subprocess.Popen(
        [sys.executable, "-c", PASSING, str(number)],
        pass_fds=(number,),
        cwd=folder,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )


def test_requests_that_came_before_the_server_are_answered(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = start(listener, tmp_path)
        try:
            answer = httpx.get(f"{url}/livez", timeout=60)
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[1]

    assert answer.status_code == 200
    assert f"listening on {url}" in said


@pytest.mark.parametrize(
    ("kind", "said"), [("udp", "not a TCP socket"), ("everywhere", "is reachable from other machines")]
)
def test_a_socket_that_may_not_be_served_on_is_refused(tmp_path: Path, kind: str, said: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM) as passed:
        passed.bind(("127.0.0.1" if kind == "udp" else "0.0.0.0", 0))
        process = start(passed, tmp_path)

        assert said in process.communicate(timeout=60)[1]
    assert process.returncode in (1, 2)
