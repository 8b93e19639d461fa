"""A chat model behind a server: asks it, and reads its answer as it comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jan_ort.cli.terminal_chat.exchange import Answer, ChatError, ChatServer
from jan_ort.ground.task import GENERATE

Message = Mapping[str, Any]
_MAX_ERROR_BYTES = 2**16


def _pass_over(thought: str) -> None:
    """Show no thought."""


class ChatModel:
    """The model ``name`` of ``server``, or the first that generates; ``options`` are fields of every request."""

    def __init__(self, server: ChatServer, name: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Find out the model's name. Raises: ChatError."""
        self._server = server
        self._options = dict(options or {})
        self.name = name or self._first_name()

    def answer(self, messages: Sequence[Message], on_thought: Callable[[str], None] = _pass_over) -> Iterator[str]:
        """Yield the answer's text as it comes; closing the iterator ends the answer. Raises: ChatError.

        ``on_thought`` is called with what the model thinks before it answers.
        """
        body = {"model": self.name, "messages": list(messages), "stream": True} | self._options
        encoded = json.dumps(body).encode()
        with self._server.request("POST", "/v1/chat/completions", encoded) as answer:
            _check(answer)
            yield from _texts(answer.lines, on_thought)

    def close(self) -> None:
        """Free the server."""
        self._server.close()

    def _first_name(self) -> str:
        with self._server.request("GET", "/v1/models") as answer:
            _check(answer)
            text = b"".join(answer.lines)
        try:
            models = json.loads(text)["data"]
            chosen = next((each for each in models if GENERATE.name in _tasks(each)), models[0])
            return str(chosen["id"])
        except (ValueError, LookupError, TypeError) as error:
            raise ChatError("the server lists no model; name one with --model") from error


def _tasks(model: Mapping[str, Any]) -> Sequence[str]:
    """Return what a listed model is for; other servers than ours do not say."""
    tasks: Sequence[str] = (model.get("metadata") or {}).get("tasks", [GENERATE.name])
    return tasks


def _check(answer: Answer) -> None:
    """Raise the ChatError that an answer is which reports an error."""
    if answer.status == 200:
        return
    text = b"".join(answer.lines)[:_MAX_ERROR_BYTES].decode(errors="replace")
    try:
        message = json.loads(text)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        message = " ".join(text.split())[:200]
    hint = "; give the key with --api-key" if answer.status == 401 else ""
    raise ChatError(f"the server answered {answer.status}: {message}{hint}")


def _texts(lines: Iterable[bytes], on_thought: Callable[[str], None]) -> Iterator[str]:
    """Yield the text of each event of a stream. Raises: ChatError if it reports an error or ends early."""
    for line in lines:
        field, _, value = line.decode().strip().partition(":")
        if field != "data":
            continue  # an empty line between two events, or a comment that keeps the connection alive
        if value.strip() == "[DONE]":
            return
        try:
            event = json.loads(value)
        except ValueError as error:
            raise ChatError(f"the server sent an event that is not valid JSON: {value.strip()[:80]!r}") from error
        if "error" in event:
            raise ChatError(f"the server could not go on: {event['error'].get('message', event['error'])}")
        for choice in event.get("choices", ()):
            delta = choice.get("delta", {})
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                on_thought(thought)
            if text := delta.get("content"):
                yield text
    raise ChatError("the server ended its answer early; ask again")
