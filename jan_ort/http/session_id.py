"""The session of a request, by which a router sends a conversation back to the replica that has its prompt (hop 1)."""

from __future__ import annotations

import re
from hashlib import blake2b

SESSION_HEADER = "x-session-id"
"""What Ray Serve calls it."""

_NAME = re.compile(r"[0-9a-f]{16}")
_IDENTITY = re.compile(r"resp_([0-9a-f]{16})[0-9a-f]{32}")


def session_name(of: str | bytes) -> str:
    """Return the name of a session: 16 hexadecimal digits of whatever tells it from others."""
    return blake2b(of if isinstance(of, bytes) else of.encode(errors="replace"), digest_size=8).hexdigest()


def response_prefix(session: str | None) -> str:
    """Return how the id of a response begins: with the session that a router has named, so that the id leads back."""
    return f"resp_{session}" if session and _NAME.fullmatch(session) else "resp_"


def session_of_response(identity: str) -> str | None:
    """Return the session that a response's id begins with, None for one that was made without."""
    found = _IDENTITY.match(identity)
    return found and found[1]
