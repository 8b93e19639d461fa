"""Kinds of planted faults: what a broken server does to a request before, or an answer after, the sound one sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Exchange:
    """One request and, once there, its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""
    query: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """The request's fields; none if it is no JSON object."""
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def is_stream(self) -> bool:
        return self.answer_headers.get("content-type", "").startswith("text/event-stream")


Change = Callable[[Exchange], None]


@dataclass(frozen=True)
class Fault:
    """A fault's name, the check that must catch it, and what it changes."""

    name: str
    caught_by: str
    before: Change | None = None
    after: Change | None = None


def dropping(name: str, check: str, path: str = "") -> Fault:
    """The server ignores a field."""

    def drop(exchange: Exchange) -> None:
        fields = exchange.fields
        if name in fields and exchange.path.startswith(path):
            exchange.body = json.dumps({key: value for key, value in fields.items() if key != name}).encode()

    return Fault(f"ignores_{name}", check, before=drop)


def answering(name: str, check: str, change: Callable[[Exchange, Any], Any]) -> Fault:
    """The server changes a plain JSON answer."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.status == 200 and not exchange.is_stream:
            exchange.answer = json.dumps(change(exchange, json.loads(exchange.answer))).encode()

    return Fault(name, check, after=rewrite)


def streaming(name: str, check: str, change: Callable[[list[str]], list[str]]) -> Fault:
    """The server changes the events of a stream."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.is_stream:
            frames = exchange.answer.decode().split("\n\n")[:-1]
            exchange.answer = "".join(f"{frame}\n\n" for frame in change(frames)).encode()

    return Fault(name, check, after=rewrite)


def in_chunks(name: str, check: str, change: Callable[[Exchange, Any], Any]) -> Fault:
    """The server changes each chunk of a stream."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.is_stream:
            frames = exchange.answer.decode().split("\n\n")[:-1]
            for number, frame in enumerate(frames):
                if frame.startswith("data: {"):
                    frames[number] = f"data: {json.dumps(change(exchange, json.loads(frame[6:])))}"
            exchange.answer = "".join(f"{frame}\n\n" for frame in frames).encode()

    return Fault(name, check, after=rewrite)


def failing(name: str, check: str, old: int, change: Change) -> Fault:
    """The server changes the answers of one status."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.status == old:
            change(exchange)

    return Fault(name, check, after=rewrite)


def with_status(status: int) -> Change:
    def change(exchange: Exchange) -> None:
        exchange.status = status

    return change


def as_plain_text(exchange: Exchange) -> None:
    exchange.answer, exchange.answer_headers["content-type"] = b"Bad Request", "text/plain"


def as_json(exchange: Exchange) -> None:
    if exchange.is_stream:
        exchange.answer_headers["content-type"] = "application/json"


def without_header(name: str) -> Change:
    def change(exchange: Exchange) -> None:
        exchange.answer_headers.pop(name, None)

    return change
