"""Ollama's messages as a chat's (hop 3): its calls have no ids, and a result says whose it is by the tool's name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from jan_ort.http.api_error import unsupported
from jan_ort_openapi.models import OllamaMessage


class Turns:
    """Collects a chat's ``messages``."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._open: list[tuple[str, str]] = []  # calls without a result: id and name
        self._num_calls = 0

    def add_all(self, messages: Sequence[OllamaMessage]) -> None:
        """Add the turns in order. Raises: ApiError 400 for images that are not the user's."""
        for at, message in enumerate(messages):
            if message.images and message.role != "user":
                name = f"messages.{at}.images"
                raise unsupported(name, f"{name}: only messages of the user have images; send them in the next one")
            self.messages.append(self._read(message))

    def _read(self, message: OllamaMessage) -> dict[str, Any]:
        read: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.role == "tool":
            return read | {"tool_call_id": self._answered(message)}
        if message.role == "assistant":
            read |= {"reasoning_content": message.thinking} if message.thinking else {}
            return read | ({"tool_calls": self._calls(message)} if message.tool_calls else {})
        if message.images:
            pictures = [{"type": "image_url", "image_url": {"url": _address(each)}} for each in message.images]
            read["content"] = [{"type": "text", "text": message.content}, *pictures]
        return read

    def _calls(self, message: OllamaMessage) -> list[dict[str, Any]]:
        calls = []
        for call in message.tool_calls or ():
            self._num_calls += 1
            call_id = call.id or f"call_{self._num_calls}"
            self._open.append((call_id, call.function.name))
            function = {"name": call.function.name, "arguments": json.dumps(call.function.arguments)}
            calls.append({"id": call_id, "type": "function", "function": function})
        return calls

    def _answered(self, message: OllamaMessage) -> str:
        """Return the id of the call whose result this is: the named one, the first of its tool, or the first."""
        if message.tool_call_id:
            self._open = [each for each in self._open if each[0] != message.tool_call_id]
            return message.tool_call_id
        named = [each for each in self._open if message.tool_name in (None, each[1])]
        found = (named or self._open or [("call_0", "")])[0]
        self._open = [each for each in self._open if each is not found]
        return found[0]


def _address(picture: str) -> str:
    """Return a picture in base64 as a data URL; what kind it is of says its beginning."""
    kinds = {"/9j/": "jpeg", "R0lG": "gif", "UklG": "webp"}
    return f"data:image/{kinds.get(picture[:4], 'png')};base64,{picture}"
