"""Ports of Ray's own agents that are chosen before they start.

Otherwise Ray waits 15 s, which nothing changes, for agents to say which ports they took, and ends with "The current
node timed out during startup" on a machine at work, where starting them takes longer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

_LISTEN = "dashboard_agent_listen_port"
"""The one that Ray's node is not told: it looks for a file in any case."""

_AGENTS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port", _LISTEN)
_NODE_ID, _SESSION_FOLDER = 2, 11


def free_ports(count: int) -> list[int]:
    """Return so many ports that nobody listens on."""
    with ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in taken]


@contextmanager
def chosen_agent_ports() -> Iterator[None]:
    """Have a Ray that is started meanwhile use free ports."""
    import ray._private.services as services

    before = services.start_raylet
    services.start_raylet = partial(_start, before)
    try:
        yield
    finally:
        services.start_raylet = before


def _start(start_raylet: Any, *given: Any, **named: Any) -> Any:
    ports = dict(zip(_AGENTS, free_ports(len(_AGENTS)), strict=True))
    Path(given[_SESSION_FOLDER], f"{_LISTEN}_{given[_NODE_ID]}").write_text(str(ports[_LISTEN]))
    return start_raylet(*given, **named | ports)
