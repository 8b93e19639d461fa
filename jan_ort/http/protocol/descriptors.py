"""How many connections the process's file descriptors allow."""

from __future__ import annotations

import sys

ACCEPTED_A_TURN = 8
"""Connections that are taken in one turn of the loop; it has a few turns to close others for them."""

_KEPT_FOR_FILES = 112
"""Descriptors that connections leave: for model files and downloads 64, for what is being accepted or closed 48."""

_DEFAULT = 4096
_DEFAULT_ON_WINDOWS = 1024


class TooManyConnections(Exception):
    """Raised when there are to be more connections than the process may open."""


def allowed_connections(wanted: int | None) -> int:
    """Return how many connections there may be. Raises: TooManyConnections naming the limit and the remedy."""
    limit = _descriptor_limit()
    if limit is None:
        return wanted or (_DEFAULT_ON_WINDOWS if sys.platform == "win32" else _DEFAULT)
    most = max(limit - _KEPT_FOR_FILES, limit // 4)
    if wanted is not None and wanted > most:
        raise TooManyConnections(
            f"--max-connections (JAN_ORT_MAX_CONNECTIONS) is {wanted}: this process may open {limit} files, which is "
            f"enough for {most} connections; say that, or raise the limit (ulimit -n)"
        )
    return wanted or min(most, _DEFAULT)


def _descriptor_limit() -> int | None:
    """Return how many files this process may open; None where that is not limited."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit
