"""The check of who calls, for the operation that is asked, or for more than it lets everybody do (hop 1)."""

from __future__ import annotations

from quart import current_app, request

from jan_ort.http.asker import name_key
from jan_ort.http.auth import check_request, given_keys, has_admin_key
from jan_ort.http.keys import ApiKeys
from jan_ort.serving.server import Server

KEYS = "jan_ort_keys"
"""Where an app keeps its :class:`ApiKeys` in ``app.extensions``."""


def check_caller(server: Server, *, changes_server: bool) -> None:
    """Let the request that is answered pass, and note whose key it has. Raises: ApiError 401 or 403."""
    keys: ApiKeys = current_app.extensions[KEYS]
    address, given = request.scope.get("client"), _given()
    peer, host = address[0] if address else None, request.headers.get("Host")
    holder = check_request(server.settings, keys, given, peer, host, changes_server=changes_server)
    name_key(holder, keys.owner(given))


def is_admin(server: Server) -> bool:
    """Say whether the request that is answered has the admin's key."""
    return has_admin_key(server.settings, _given())


def _given() -> list[bytes]:
    return given_keys(request.headers.get("Authorization"), request.headers.get("X-Api-Key"))
