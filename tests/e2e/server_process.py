"""A real server in a process of its own, started from a directory that is not the checkout."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai

from tests.own_settings import without_own_settings
from tests.signals import send_signal

READY_S = 240.0
"""The default models may have to be fetched and converted first."""


@dataclass
class ServerProcess:
    process: subprocess.Popen[str]
    url: str
    log: Path

    def client(self, **options: Any) -> openai.OpenAI:
        if self.process.poll() is not None:  # what its log says is lost in a connection that is refused
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
        given: dict[str, Any] = {"api_key": "unused", "max_retries": 0, "timeout": 60} | options
        return openai.OpenAI(base_url=f"{self.url}/v1", **given)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 10.0) -> tuple[int, float]:
        """Send a signal, wait, and return exit status and seconds."""
        started = time.monotonic()
        send_signal(self.process.pid, number)
        return self.process.wait(timeout_s), time.monotonic() - started


def environment(**settings: str) -> dict[str, str]:
    """Return this process's environment with no other settings than the given ones and the cache."""
    return without_own_settings(os.environ) | settings


@contextmanager
def serve(
    directory: Path,
    *flags: str,
    before: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    wait: bool = True,
) -> Iterator[ServerProcess]:
    """Run ``jan-ort BEFORE serve FLAGS`` on a free port until the block ends; ``wait`` until it is ready."""
    command = [sys.executable, "-m", "jan_ort", *before, "serve", "--port", "0", *flags]
    with running(command, directory, env or environment()) as (process, log):
        url = _listening(process, log)
        yield ready(process, url, log) if wait else ServerProcess(process, url, log)


WITHOUT_STREAMS = """
import os, sys
os.closerange(0, 3)
sys.stdin = sys.stdout = sys.stderr = None
from jan_ort.__main__ import run
run()
"""


@contextmanager
def serve_without_streams(directory: Path, *flags: str) -> Iterator[ServerProcess]:
    """Run ``jan-ort serve`` as a service may be run, and as behind ``<&- >&- 2>&-``."""
    port = free_port()
    command = [sys.executable, "-c", WITHOUT_STREAMS, "serve", "--port", str(port), *flags]
    with running(command, directory, environment()) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@contextmanager
def hypercorn(directory: Path, *flags: str, **settings: str) -> Iterator[ServerProcess]:
    """Run ``hypercorn jan_ort:app`` with settings in the environment."""
    port = free_port()
    command = [sys.executable, "-m", "hypercorn", "jan_ort:app", "--bind", f"127.0.0.1:{port}", *flags]
    with running(command, directory, environment(**settings)) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)


@contextmanager
def running(
    command: list[str], directory: Path, env: Mapping[str, str], end_s: float = 10.0
) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Run a server's command until the block ends, and give it ``end_s`` then; its log is a file in ``directory``."""
    log = directory / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=dict(env), stdout=output, stderr=subprocess.STDOUT, text=True
        )
        try:
            yield process, log
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(end_s)


def _listening(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"listening on (https?://[\w.:\[\]-]+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise AssertionError(f"the server does not listen:\n{log.read_text()}")


def ready(process: subprocess.Popen[str], url: str, log: Path) -> ServerProcess:
    """Return the server, once it says that it is ready."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and process.poll() is None:
        if _is_healthy(url):
            return ServerProcess(process, url, log)
        time.sleep(0.05)
    raise AssertionError(f"the server does not become ready:\n{log.read_text()}")


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
