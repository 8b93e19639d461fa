"""What Ray's own processes are told by variables, which they read when they start."""

from __future__ import annotations

import logging
import os
from importlib.util import find_spec

from jan_ort.on_ray.loopback import LOOPBACK

logger = logging.getLogger(__name__)

_CALLBACK = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
_FRONT = "jan_ort.on_ray.front:middlewares"
_OF_OUR_RAY = {
    LOOPBACK: "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray gives a proxy 5 s to start and 10 s to answer, which a machine at work does not hold, and ends it then.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "60",
}


class RayMissing(Exception):
    """Raised when Ray is not installed."""


def set_up_proxies() -> None:
    """Have Ray's proxies do as ``front`` says, or warn that they run already and do not. Raises: RayMissing."""
    if find_spec("ray") is None or find_spec("starlette") is None:  # what of Ray "serve" needs beside it
        raise RayMissing("Ray Serve is not installed; in the checkout: pip install ./openapi '.[ray]'")
    is_own = not os.environ.get("RAY_ADDRESS")
    if is_own:  # before the import, which reads some
        for name, value in _OF_OUR_RAY.items():
            os.environ.setdefault(name, value)
    import ray

    if is_own and not ray.is_initialized():
        os.environ[_CALLBACK] = _FRONT
    elif os.environ.get(_CALLBACK) != _FRONT:
        logger.warning(
            "%s is not %s here: start each node of Ray with it, or conversations are spread by chance, and a replica's "
            "end is a bare 500",
            _CALLBACK,
            _FRONT,
        )
