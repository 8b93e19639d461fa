"""Ray's ports, on this machine's own address alone: who reaches one may run code here."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""With 0 Ray takes 127.0.0.1 for this machine's address, on any system, and listens there."""


def listen_on_loopback() -> None:
    """In a replica of such a Ray, have its port for other replicas there too: Ray 2.60 listens on all addresses.

    A token is asked for there, unless ``RAY_AUTH_MODE`` is ``disabled``.
    """
    if os.environ.get(LOOPBACK) != "0":
        return
    import ray.serve._private.replica as replica

    if not isinstance(replica.add_port_to_grpc_server, partial):
        replica.add_port_to_grpc_server = partial(_listen, replica.add_port_to_grpc_server)


def _listen(add_port: Any, server: Any, address: str) -> int:
    port: int = add_port(server, f"127.0.0.1:{address.rpartition(':')[2]}")
    return port
