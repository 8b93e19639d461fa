"""Who may call: the bearer key, or without one only this machine (hop 1); and whether a server may start so."""

from __future__ import annotations

import hmac
import ipaddress
import shlex
from urllib.parse import urlsplit

from jan_ort.http.api_error import ApiError
from jan_ort.settings.schema import Settings

_REMEDY = "set JAN_ORT_API_KEY, or JAN_ORT_ALLOW_UNAUTHENTICATED=1"


class ExposureError(Exception):
    """Raised when the settings would serve other machines without a key, and nobody has said that this is meant."""


def check_key(authorization: str | None, key: str) -> None:
    """Check the value of an Authorization header, in constant time. Raises: ApiError 401."""
    if _is_given(authorization, key):
        return
    reason = "the API key is wrong" if authorization else "an API key is needed: send 'Authorization: Bearer KEY'"
    raise _unauthorized(reason, "invalid_api_key")


def _is_given(authorization: str | None, key: str) -> bool:
    scheme, _, given = (authorization or "").partition(" ")
    # Header values reach us as latin-1, whatever the client wrote; its bytes are what is compared.
    is_equal = hmac.compare_digest(given.strip().encode("latin-1", "replace"), key.encode())
    return is_equal and scheme.lower() == "bearer"


def check_admin(authorization: str | None, admin_key: str, api_key: str | None) -> None:
    """Check who wants to change the server. Raises: ApiError 401, or 403 with the key that is for the rest."""
    if api_key is not None and _is_given(authorization, api_key):
        raise ApiError(403, "this operation needs the admin key (JAN_ORT_ADMIN_KEY)", code="admin_key_required")
    check_key(authorization, admin_key)


def is_loopback(address: str) -> bool:
    """Say whether an IP address is this machine's own; what is no IP address is not."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def check_peer(address: str) -> None:
    """Check that a client without a key is on this machine. Raises: ApiError 401."""
    if not is_loopback(address):
        raise _unauthorized(f"without an API key only this machine is served; {_REMEDY}", "api_key_required")


def check_host(host: str | None, own_host: str) -> None:
    """Check that a client without a key has called this machine by a name of its own. Raises: ApiError 401.

    A web page can have its own name resolve to 127.0.0.1, and would be of the same origin as this server then (DNS
    rebinding); but its name stands in the Host header.
    """
    if not host:
        return  # HTTP/1.0, which no browser speaks
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = host
    if name in ("localhost", own_host.lower()) or name.endswith(".localhost") or is_loopback(name):
        return
    called = f"the Host header calls it {host[:100]!r}; call it localhost"
    raise _unauthorized(f"without an API key only this machine is served, and {called}, {_REMEDY}", "api_key_required")


def _unauthorized(message: str, code: str) -> ApiError:
    error = ApiError(401, message, code=code)
    error.headers["WWW-Authenticate"] = 'Bearer realm="jan-ort"'
    return error


def check_request(
    settings: Settings,
    authorization: str | None,
    address: str | None,
    host: str | None,
    *,
    changes_server: bool = False,
) -> None:
    """Let a request to a secured operation pass, or raise the 401 or 403 it is answered. The admin key opens all."""
    api_key = None if settings.api_key is None else settings.api_key.get_secret_value()
    if settings.admin_key is not None:
        admin_key = settings.admin_key.get_secret_value()
        if changes_server:
            check_admin(authorization, admin_key, api_key)
        if _is_given(authorization, admin_key):
            return
    if api_key is not None:
        check_key(authorization, api_key)
    elif not settings.allow_unauthenticated and address is not None:
        # None: no network between the two, but a unix socket or a client in this process.
        check_peer(address)
        check_host(host, settings.host)


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without a key, unless told so explicitly; and one key for both.

    Raises: ExposureError.
    """
    if settings.admin_key is not None and settings.admin_key == settings.api_key:
        raise ExposureError("--admin-key is the same as --api-key, and separates nothing; choose another one")
    loopback = settings.host == "localhost" or is_loopback(settings.host)
    if settings.api_key is None and not settings.allow_unauthenticated and not loopback:
        raise ExposureError(
            f"--host {shlex.quote(settings.host)} is reachable from other machines: set JAN_ORT_API_KEY (as a "
            "flag, --api-key, others see it in ps), or say --allow-unauthenticated to serve without one"
        )
