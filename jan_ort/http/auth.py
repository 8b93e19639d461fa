"""Who may call: the bearer key, or without one only this machine (hop 1); and whether a server may start so."""

from __future__ import annotations

import hmac
import ipaddress
import shlex
from collections.abc import Sequence
from urllib.parse import urlsplit

from jan_ort.http.api_error import ApiError
from jan_ort.http.keys import ApiKeys
from jan_ort.settings.network import ANY_ORIGIN
from jan_ort.settings.schema import Settings

_WRONG_KEY = "the API key is wrong"
_NO_KEY = "an API key is required: send 'Authorization: Bearer KEY', or 'x-api-key: KEY'"
_REMEDY = "set JAN_ORT_API_KEY, or JAN_ORT_ALLOW_UNAUTHENTICATED=1"


class ExposureError(Exception):
    """Raised when the settings would serve other machines without a key, and nobody has said that this is meant."""


def given_keys(authorization: str | None, x_api_key: str | None) -> list[bytes]:
    """Return the keys that a request has: the bearer's, and that of the header that Anthropic's clients send."""
    scheme, _, bearer = (authorization or "").partition(" ")
    given = [bearer] if scheme.lower() == "bearer" else []
    # Header values reach us as latin-1, whatever the client wrote; its bytes are what is compared.
    return [key.strip().encode("latin-1", "replace") for key in (*given, x_api_key or "") if key.strip()]


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
        raise _unauthorized(f"without an API key, only local requests are accepted; {_REMEDY}", "api_key_required")


def check_host(host: str | None, *allowed: str) -> None:
    """Check that a client without a key has called this machine by a name of its own, or one of ``allowed``.

    Raises: ApiError 401.

    A web page can have its own name resolve to 127.0.0.1, and would be of the same origin as this server then (DNS
    rebinding); but its name stands in the Host header.
    """
    if not host:
        return  # HTTP/1.0, which no browser speaks
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = host
    if name in ("localhost", *map(str.lower, allowed)) or name.endswith(".localhost") or is_loopback(name):
        return
    called = f"the Host header calls it {host[:100]!r}; call it localhost, start the server with --allowed-host NAME"
    raise _unauthorized(
        f"without an API key, only local requests are accepted, and {called}, {_REMEDY}", "api_key_required"
    )


def _unauthorized(message: str, code: str) -> ApiError:
    error = ApiError(401, message, code=code)
    error.headers["WWW-Authenticate"] = 'Bearer realm="jan-ort"'
    return error


def has_admin_key(settings: Settings, given: Sequence[bytes]) -> bool:
    """Say whether one of these keys is the admin's; nobody is the admin of a server without such a key."""
    if settings.admin_key is None:
        return False
    admin_key = settings.admin_key.get_secret_value().encode()
    return any(hmac.compare_digest(each, admin_key) for each in given)


def check_request(
    settings: Settings,
    keys: ApiKeys,
    given: Sequence[bytes],
    address: str | None,
    host: str | None,
    *,
    changes_server: bool = False,
) -> str | None:
    """Let a request with these keys pass to a secured operation, and return the name of their holder, if it has one.

    The admin key opens all. Raises: ApiError, the 401 or 403 that the request is answered.
    """
    holder = keys.holder(given)
    if settings.admin_key is not None:
        if has_admin_key(settings, given):
            return None
        if changes_server and holder is not None:
            raise ApiError(403, "this operation needs the admin key (JAN_ORT_ADMIN_KEY)", code="admin_key_required")
    if keys.are_needed or (settings.admin_key is not None and changes_server):
        if holder is None:
            raise _unauthorized(_WRONG_KEY if given else _NO_KEY, "invalid_api_key")
    elif not settings.allow_unauthenticated and address is not None:
        # None: no network between the two, but a unix socket or a client in this process.
        check_peer(address)
        check_host(host, settings.host, *settings.allowed_host)
    return holder or None


def check_keys(settings: Settings) -> None:
    """Refuse keys that separate nothing, and pages of any origin without a key. Raises: ExposureError."""
    if settings.admin_key is not None and settings.admin_key.get_secret_value() in settings.api_keys:
        raise ExposureError("--admin-key is the same as --api-key, so it protects nothing; choose another one")
    if ANY_ORIGIN in settings.cors_origin and not settings.needs_key:
        raise ExposureError(
            "--cors-origin '*' without a key would let every page that you open use this server: set JAN_ORT_API_KEY "
            "or --api-key-file, or name the origins"
        )


def check_exposure(settings: Settings) -> None:
    """Refuse to listen beyond this machine without a key, unless told so explicitly; and what ``check_keys`` does.

    Raises: ExposureError.
    """
    check_keys(settings)
    loopback = settings.host == "localhost" or is_loopback(settings.host)
    if not settings.needs_key and not settings.allow_unauthenticated and not loopback:
        raise ExposureError(
            f"--host {shlex.quote(settings.host)} is reachable from other machines: set JAN_ORT_API_KEY or "
            "--api-key-file (others see the flag --api-key in ps), or use --allow-unauthenticated to serve without one"
        )
