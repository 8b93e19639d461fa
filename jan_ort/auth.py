"""Who may call: the bearer key, or without one only this machine (hop 1)."""

from __future__ import annotations

import hmac
import ipaddress

from jan_ort.errors import ApiError
from jan_ort.settings import Settings


def check_key(authorization: str | None, key: str) -> None:
    """Check the value of an Authorization header, in constant time. Raises: ApiError 401."""
    scheme, _, given = (authorization or "").partition(" ")
    # Header values reach us as latin-1, whatever the client wrote; its bytes are what is compared.
    if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1", "replace"), key.encode()):
        return
    reason = "the API key is wrong" if authorization else "an API key is needed: send 'Authorization: Bearer KEY'"
    error = ApiError(401, reason, code="invalid_api_key")
    error.headers["WWW-Authenticate"] = 'Bearer realm="jan-ort"'
    raise error


def is_loopback(address: str) -> bool:
    """Say whether an IP address is this machine's own; what is no IP address is not."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def check_peer(address: str | None) -> None:
    """Check that a client without a key is on this machine. Raises: ApiError 401."""
    if address is None:
        return  # no network between the two: a unix socket, or a test client
    if not is_loopback(address):
        error = ApiError(
            401,
            "without an API key only this machine is served; set JAN_ORT_API_KEY, or JAN_ORT_ALLOW_UNAUTHENTICATED=1",
            code="api_key_required",
        )
        error.headers["WWW-Authenticate"] = 'Bearer realm="jan-ort"'
        raise error


def check_request(settings: Settings, authorization: str | None, address: str | None) -> None:
    """Let a request to a secured operation pass, or raise the 401 it is answered."""
    if settings.api_key is not None:
        check_key(authorization, settings.api_key.get_secret_value())
    elif not settings.allow_unauthenticated:
        check_peer(address)
