"""What a browser is told whose page comes from elsewhere: nothing, unless the operator named its origin (hop 1).

Source: WHATWG Fetch, section 3.2 "HTTP CORS protocol".
"""

from __future__ import annotations

import re
from collections.abc import Collection

from jan_ort.settings.network import ANY_ORIGIN
from jan_ort_openapi import operations

Headers = list[tuple[bytes, bytes]]

_VARY = (b"vary", b"Origin")
_EXPOSED = (b"access-control-expose-headers", b"X-Request-Id, Retry-After, WWW-Authenticate")
_METHODS = (
    b"access-control-allow-methods",
    ", ".join(sorted({each.method for each in operations()} | {"GET", "HEAD", "OPTIONS"})).encode(),
)
_MAX_AGE = (b"access-control-max-age", b"600")
_NAMES = b"authorization, content-type, x-api-key, x-request-id"
_MORE_NAMES = re.compile(rb"[\w!#$%&'*+.^`|~-]+(\s*,\s*[\w!#$%&'*+.^`|~-]+)*")
"""Names of headers that a page asks for beside those: client libraries send a dozen of their own."""


def is_preflight(method: str, asked: dict[bytes, bytes]) -> bool:
    """Whether a browser asks on its own whether a page may send its request."""
    return method == "OPTIONS" and b"origin" in asked and b"access-control-request-method" in asked


def answer_headers(allowed: Collection[str], origin: bytes | None) -> Headers:
    """Return what an answer has for a page of this origin, None for no page; the answer depends on it either way."""
    value = _allowed(allowed, origin)
    return [_VARY] if value is None else [_VARY, (b"access-control-allow-origin", value), _EXPOSED]


def preflight_headers(allowed: Collection[str], asked: dict[bytes, bytes]) -> Headers | None:
    """Return what a page of an allowed origin may send, None for any other origin."""
    value = _allowed(allowed, asked.get(b"origin"))
    if value is None:
        return None
    more = asked.get(b"access-control-request-headers", b"").strip()
    names = _NAMES + b", " + more if _MORE_NAMES.fullmatch(more) else _NAMES
    headers = [(b"access-control-allow-origin", value), _METHODS, (b"access-control-allow-headers", names), _MAX_AGE]
    if b"access-control-request-private-network" in asked:  # a page of a public site, to this machine
        headers.append((b"access-control-allow-private-network", b"true"))
    return [(b"vary", b"Origin, Access-Control-Request-Headers"), *headers]


def _allowed(allowed: Collection[str], origin: bytes | None) -> bytes | None:
    """Return the origin that may read the answer, None for none: "null" is many pages' at once, and nobody's name."""
    if origin is None or origin == b"null":
        return None
    if ANY_ORIGIN in allowed:
        return ANY_ORIGIN.encode()
    return origin if origin.decode("latin-1").lower() in allowed else None
