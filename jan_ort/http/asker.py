"""Who asks: the id that a client gave its request, and whose key it has; both are named in the log (hop 1)."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from jan_ort.ground.shown_text import quoted
from jan_ort.http.tracing import RequestTrace


@dataclass(slots=True)
class Asker:
    """``request_id`` is what the client calls its request; ``key_name`` the holder of its key, if that has a name.

    ``owner`` stands for the key itself: what is kept for one is not shown to another. Without keys it is "".
    ``trace`` is where its spans belong, None where nobody wants any.
    """

    request_id: str | None = None
    key_name: str | None = None
    owner: str = ""
    trace: RequestTrace | None = None


_asker: ContextVar[Asker] = ContextVar("asker")


def begin_asker(request_id: str | None, trace: RequestTrace | None = None) -> None:
    """Note whose request is answered from now on, in the task that answers it and those that it makes."""
    _asker.set(Asker(request_id, trace=trace))


def name_key(name: str | None, owner: str) -> None:
    """Note whose key the request has, and what stands for it."""
    if (asker := _asker.get(None)) is not None:
        asker.key_name, asker.owner = name, owner


def current_owner() -> str:
    """Return what stands for the key of this task's request."""
    return (_asker.get(None) or Asker()).owner


def current_trace() -> RequestTrace | None:
    """Return where the spans of this task's request belong."""
    return (_asker.get(None) or Asker()).trace


def asker_fields() -> dict[str, str]:
    """Return what is known of who asks, for a log of fields."""
    asker = _asker.get(None) or Asker()
    known = {"key": asker.key_name, "client_request": asker.request_id}
    return {name: value for name, value in known.items() if value}


def logged_asker() -> str:
    """Return what a line of the log says of who asks, at its end; nothing is known of most."""
    asker = _asker.get(None) or Asker()
    key = f", key of {quoted(asker.key_name)}" if asker.key_name else ""
    return key + (f", request {quoted(asker.request_id)}" if asker.request_id else "")
