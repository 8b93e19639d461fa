"""Server processes to measure: this one and llama-cpp-python's, on the same weights."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent
RIVAL_VENV = ROOT / ".cache" / "rival-venv"
RIVAL_REQUIREMENT = "llama-cpp-python[server]==0.3.36"
NUM_THREADS = 2
CONTEXT_LENGTH = 2048


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """One server process; ``ready_path`` answers 200 once it serves."""

    name: str
    command: list[str]
    ready_path: str
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 120) -> float:
        """Start the process and return the seconds until it serves."""
        started = time.perf_counter()
        command = [part.replace("{port}", str(self.port)) for part in self.command]
        (ROOT / ".cache").mkdir(exist_ok=True)
        log = (ROOT / ".cache" / f"benchmark-{self.name}.log").open("wb")
        self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while time.perf_counter() - started < timeout_s:
            try:
                if httpx.get(self.url + self.ready_path, timeout=1).status_code == 200:
                    return time.perf_counter() - started
            except httpx.TransportError:
                pass
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with status {self.process.returncode}; see {log.name}")
            time.sleep(0.01)
        raise SystemExit(f"{self.name} does not serve after {timeout_s} s; see {log.name}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def rss_bytes(self) -> int:
        assert self.process is not None
        process = psutil.Process(self.process.pid)
        return int(process.memory_info().rss + sum(child.memory_info().rss for child in process.children(True)))


def ours(model: str | Path, *flags: str) -> Server:
    """Return this server with a chat model only, installed in the running environment; ``flags`` are its own."""
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", "--model", str(model)]
    return Server("jan-ort", [*command, "--context-length", str(CONTEXT_LENGTH), *flags], "/health")


def rival(gguf: Path) -> Server:
    """Return llama-cpp-python's server on the GGUF that our folder was converted from."""
    python = rival_python()
    command = [str(python), "-m", "llama_cpp.server", "--port", "{port}", "--model", str(gguf)]
    options = ["--n_ctx", str(CONTEXT_LENGTH), "--n_threads", str(NUM_THREADS), "--n_threads_batch", str(NUM_THREADS)]
    # By its default it breaks off a stream when another request comes.
    options += ["--interrupt_requests", "false", "--verbose", "false"]
    return Server("llama-cpp-python", [*command, *options], "/v1/models")


def rival_python() -> Path:
    """Return the interpreter of the rival's environment, made at the first call."""
    given = os.environ.get("RIVAL_PYTHON")
    if given:
        return Path(given)
    python = RIVAL_VENV / "bin" / "python"
    if not python.exists():
        print(f"making {RIVAL_VENV}: compiling {RIVAL_REQUIREMENT} takes some minutes", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(RIVAL_VENV)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", RIVAL_REQUIREMENT], check=True)
    return python
