"""A Ray of this machine, and the server on it, until a signal comes."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Any

from jan_ort.http.launcher import server_url
from jan_ort.on_ray.agent_ports import chosen_agent_ports
from jan_ort.on_ray.applications import NAME
from jan_ort.on_ray.deployment import Replicas, application, check_on_ray
from jan_ort.on_ray.proxies import set_up_proxies
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

_ADDRESS = "RAY_ADDRESS"
_LOCAL: dict[str, Any] = {
    "address": "local",  # a Ray that runs here already is somebody else's
    "include_dashboard": False,
    # Requests do not go through it; Ray's default is a third of the memory.
    "object_store_memory": 2**27,
}
_MOST_CPUS = 1.0
_WAIT_S = 0.5


def share_of_cpus(num_replicas: int) -> float:
    """Return so many of Ray's CPUs for a replica that all fit on this machine: they do not bound threads."""
    return min(_MOST_CPUS, (os.cpu_count() or 1) / num_replicas)


def launch_on_ray(settings: Settings, apart: Sequence[Settings], replicas: Replicas, port: int) -> int:
    """Serve until SIGTERM or Ctrl-C and return the exit status: 0, or 1 if no replica could start.

    ``apart`` are the settings of each deployment, all behind one port. With ``RAY_ADDRESS`` it is a cluster that runs.
    Raises: RayMissing, SettingsError.
    """
    check_on_ray(settings, replicas)
    set_up_proxies()
    import ray
    from ray import serve
    from ray.exceptions import RayError

    try:
        start_ray(settings, port)
        ended = _on_signals()  # not before: Ray takes the signals for itself
        deploy(apart, replicas)
        logger.info("listening on %s", server_url(settings.host, port, is_https=settings.tls_cert is not None))
        while not ended.wait(_WAIT_S):
            pass
        logger.info("running requests get their time to finish")
    except (RuntimeError, RayError) as error:
        logger.error("the models cannot be served: %s", error)
        return 1
    finally:
        if ray.is_initialized():
            serve.shutdown()
        ray.shutdown()
    return 0


def start_ray(settings: Settings, port: int) -> None:
    """Start Ray, or join the one of ``RAY_ADDRESS``, with a proxy on the port. Raises: RuntimeError."""
    from ray import serve

    for is_last in (False, True):
        if _init(is_last=is_last):
            break
    serve.start(proxy_location="HeadOnly", http_options=_http_options(settings, port))


def _init(*, is_last: bool) -> bool:
    """Return whether Ray has started: it gives its own processes 30 s, which a machine at work may not have."""
    import ray

    try:
        if os.environ.get(_ADDRESS):
            ray.init()
        else:
            with chosen_agent_ports():
                ray.init(**_LOCAL)
    except Exception as error:  # Ray has no class of its own for it
        ray.shutdown()
        if is_last:
            raise RuntimeError(f"Ray does not start: {error}") from error
        logger.warning("Ray does not start, and is tried again: %s", error)
        return False
    return True


def deploy(apart: Sequence[Settings], replicas: Replicas) -> None:
    """Serve with these settings, in place of those before; return once all replicas have loaded their models.

    Replicas of other settings finish what they have begun. Raises: RuntimeError.
    """
    from ray import serve

    names = [NAME, *(f"{NAME}-{number}" for number in range(2, len(apart) + 1))]
    targets = [
        serve.RunTarget(application(each, replicas), name=name, route_prefix="/" if name == NAME else f"/{name}")
        for each, name in zip(apart, names, strict=True)
    ]
    serve.run_many(targets, blocking=False)


def _http_options(settings: Settings, port: int) -> dict[str, Any]:
    options: dict[str, Any] = {"host": settings.host, "port": port}
    if settings.tls_cert is not None:
        options["ssl_certfile"] = str(settings.tls_cert)
        options["ssl_keyfile"] = str(settings.tls_key or settings.tls_cert)
    return options


def _on_signals() -> threading.Event:
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), end)
    return ended
