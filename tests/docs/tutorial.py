"""A tutorial as a program: its files are written, its commands are run, and its servers are started, in their order."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.e2e.server_process import READY_S, environment, free_port

BLOCK = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$", re.M | re.S)
SERVERS = ("jan-ort serve", "nginx ")
"""What begins a command that goes on until somebody ends it."""


class Tutorial:
    """Runs the blocks of a page in ``folder``; ``instead`` has what stands for a text of the page."""

    def __init__(self, page: Path, folder: Path, instead: Mapping[str, str]) -> None:
        self.text = page.read_text("utf-8")
        self.folder = folder
        self._ports = {"8000": str(free_port()), "8080": str(free_port())}
        self._instead = {**instead, **{f"127.0.0.1:{port}": f"127.0.0.1:{own}" for port, own in self._ports.items()}}
        self._env = environment(PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        self._servers = ExitStack()

    def run(self) -> str:
        """Return what all commands wrote. Raises: AssertionError with the output of the one that failed."""
        with self._servers:
            return "".join(self._run(block) for block in BLOCK.finditer(self.text))

    def _run(self, block: re.Match[str]) -> str:
        code = self._translated(block["code"])
        if block["title"]:
            (self.folder / block["title"]).write_text(code, "utf-8")
            return ""
        assert block["language"] == "sh", f"a block of {block['language']} needs a title"
        *before, last = code.rstrip().split("\n")
        if last.startswith(SERVERS):
            self._env |= dict(line.removeprefix("export ").split("=", 1) for line in before)
            self._servers.enter_context(self._serving(last))
            return ""
        done = subprocess.run(
            ["bash", "-ec", code], cwd=self.folder, env=self._env, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _translated(self, code: str) -> str:
        for text, other in self._instead.items():
            code = code.replace(text, other)
        return code

    @contextmanager
    def _serving(self, command: str) -> Iterator[None]:
        arguments = [each.replace("$PWD", str(self.folder)) for each in shlex.split(command)]
        port = self._ports["8080" if command.startswith("nginx") else "8000"]
        if arguments[0] == "jan-ort":
            arguments += ["--port", port]
        log = self.folder / f"{arguments[0]}.log"
        with (
            log.open("w") as file,
            subprocess.Popen(arguments, cwd=self.folder, env=self._env, stdout=file, stderr=file) as process,
        ):
            try:
                _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, log)
                yield
            finally:
                process.terminate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready in time:\n{log.read_text()}")
