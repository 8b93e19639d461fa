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
    """The model ``name`` of ``server``, or the first that generates; ``options`` are fields of every request.

    ``sampling`` is what the model's makers recommend, which ``options`` go before.
    """

    def __init__(self, server: ChatServer, name: str | None = None, options: Mapping[str, Any] | None = None) -> None:
        """Find out what the server has. Raises: ChatError."""
        self._server = server
        self._options = dict(options or {})
        self.name, self.sampling = self._find(name)

    def answer(self, messages: Sequence[Message], on_thought: Callable[[str], None] = _pass_over) -> Iterator[str]:
        """Yield the answer's text as it comes; closing the iterator ends the answer. Raises: ChatError.

        ``on_thought`` is called with what the model thinks before it answers.
        """
        body = {"model": self.name, "messages": list(messages), "stream": True, **self.sampling, **self._options}
        encoded = json.dumps(body).encode()
        with self._server.request("POST", "/v1/chat/completions", encoded) as answer:
            _check(answer)
            yield from _texts(answer.lines, on_thought)

    def names(self) -> list[str]:
        """Return the names of the models that the server lists. Raises: ChatError."""
        return list(self._listed())

    def switch(self, name: str) -> None:
        """Ask this model from now on. Raises: ChatError, and the one before stays."""
        is_listed = name in self._listed()
        if not is_listed:
            self._server.load(name)
        self.name, self.sampling = self._find(name if is_listed else None)

    def close(self) -> None:
        """Free the server."""
        self._server.close()

    def _find(self, name: str | None) -> tuple[str, dict[str, Any]]:
        """Return the model's name, and how it is sampled. Raises: ChatError."""
        listed = self._listed()
        if name is None and not listed:
            raise ChatError("the server lists no model; name one with --model")
        generating = (each for each, model in listed.items() if GENERATE.name in _tasks(model))
        chosen = name or next(generating, None) or next(iter(listed))
        recommended = _metadata(listed.get(chosen, {})).get("recommended")
        return chosen, recommended if isinstance(recommended, dict) else {}

    def _listed(self) -> dict[str, Message]:
        """Return the server's models by name, none for a server that has no list. Raises: ChatError."""
        with self._server.request("GET", "/v1/models") as answer:
            if answer.status == 404:
                return {}
            _check(answer)
            text = b"".join(answer.lines)
        try:
            return {str(each["id"]): each for each in json.loads(text)["data"]}
        except (ValueError, LookupError, TypeError) as error:
            raise ChatError("the server's list of models cannot be read; is it a server of OpenAI's API?") from error


def _metadata(model: Message) -> Mapping[str, Any]:
    """Return what a server of ours says of a model; others have no such thing, or another."""
    metadata = model.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _tasks(model: Mapping[str, Any]) -> Sequence[str]:
    """Return what a listed model is for; other servers than ours do not say."""
    tasks: Sequence[str] = _metadata(model).get("tasks", [GENERATE.name])
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
            raise ChatError(f"the server failed: {event['error'].get('message', event['error'])}")
        for choice in event.get("choices", ()):
            delta = choice.get("delta", {})
            if thought := delta.get("reasoning_content") or delta.get("reasoning"):
                on_thought(thought)
            if text := delta.get("content"):
                yield text
    raise ChatError("the answer was cut off; ask again")
