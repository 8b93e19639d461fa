"""Which session a request belongs to, so that a conversation goes on where its prompt is cached (hop 1)."""

from __future__ import annotations

import json
import re
from typing import Any

from jan_ort.http.session_id import session_name, session_of_response

GENERATING = ("/chat/completions", "/completions", "/responses", "/messages", "/api/chat", "/api/generate")
"""How the paths end that generate; any other request may go to any replica."""

_MAX_PROMPT = 256
"""Characters of a bare prompt that tell its session: the next turn has it as its beginning."""

_OF_RESPONSE = re.compile(r"/responses/([^/]+)")


def session_of_path(path: str) -> str | None:
    """Return the session of a stored response that a path names, None for any other path."""
    found = _OF_RESPONSE.search(path)
    return None if found is None else session_of_response(found[1]) or session_name(found[1])


def session_of_body(body: bytes) -> str | None:
    """Return the session of a body; None for one that tells none, or is not JSON, which the replica refuses."""
    return session_of(_object(body))


def model_of_body(body: bytes) -> str | None:
    """Return the model that a body names, None for none."""
    given = _object(body)
    return next((name for name in (given.get("model"), given.get("name")) if isinstance(name, str) and name), None)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body, object_hook=_without_marks)
    except (ValueError, RecursionError):
        return {}
    return given if isinstance(given, dict) else {}


def continued_session(body: bytes) -> str | None:
    """Return the session of the stored response that a body continues: no other replica has that."""
    found = re.search(rb'"previous_response_id"\s*:\s*"(resp_[0-9a-f]{48})"', body)
    return found and session_of_response(found[1].decode())


def session_of(body: dict[str, Any]) -> str | None:
    """Return the session that a body names, or that its model, tools and leading messages stand for."""
    metadata = body.get("metadata")
    by_user = metadata.get("user_id") if isinstance(metadata, dict) else None
    for named in (body.get("prompt_cache_key"), body.get("previous_response_id"), body.get("user"), by_user):
        if isinstance(named, str) and named:
            return session_name(named)
    leading = _leading(body)
    if not leading:
        return None
    told = [body.get(name) for name in ("model", "tools", "system", "instructions")]
    return session_name(json.dumps([*told, leading], sort_keys=True))


def _leading(body: dict[str, Any]) -> Any:
    """Return how the conversation begins, up to the first message of the user: what all of its turns share."""
    for name in ("messages", "input"):
        if isinstance(given := body.get(name), list):
            first = next((at for at, each in enumerate(given) if _is_users(each)), len(given))
            return given[: first + 1]
    given = body.get("input") or body.get("prompt")
    return given[:_MAX_PROMPT] if isinstance(given, (str, list)) else None


def _is_users(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _without_marks(given: dict[str, Any]) -> dict[str, Any]:
    """Leave out what clients of Anthropic's API move from turn to turn."""
    given.pop("cache_control", None)
    return given
