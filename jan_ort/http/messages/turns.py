"""The turns of a conversation in blocks as a chat's messages (hop 3).

Anthropic's API has a tool's results in the user's turn, where a chat has messages of their own.
"""

from __future__ import annotations

import json
from typing import Any

from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.result_images import RESULT_IMAGE, Placed, image_names
from jan_ort_openapi.models import (
    MessageImageBlock,
    MessageParam,
    MessageTextBlock,
    MessageThinkingBlock,
    MessageToolResultBlock,
    MessageToolUseBlock,
)

ERROR = "Error: "
"""What a model reads before the answer of a tool that has failed: chat templates have no place for that."""


class Turns:
    """Collects a chat's ``messages``; ``places`` says where the other body has each, ``names`` what it calls images.

    ``is_begun`` says that the last one is an answer to be continued.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.places: list[str] = []
        self.names: dict[str, str] = {}
        self.is_begun = False

    def add_system(self, system: str | list[MessageTextBlock] | None) -> None:
        """Add the system prompt, if there is one."""
        if system:
            content = system if isinstance(system, str) else [_text(each.text) for each in system]
            self._add({"role": "system", "content": content}, "system")

    def add(self, message: MessageParam, place: str) -> None:
        """Add a turn. Raises: ApiError 400 for a block that its role cannot have."""
        if isinstance(message.content, str):
            self._add({"role": message.role, "content": message.content}, place)
        elif message.role == "system":
            parts = [_part(each, f"{place}.content.{at}", "system") for at, each in enumerate(message.content)]
            self._add({"role": "system", "content": parts}, place)
        elif message.role == "user":
            self._add_user(message.content, place)
        else:
            self._add_assistant(message.content, place)
        last = self.messages[-1] if self.messages else {}
        self.is_begun = bool(last.get("role") == "assistant" and last.get("content") and not last.get("tool_calls"))

    def _add(self, message: dict[str, Any], place: str) -> None:
        self.places.append(place)
        self.messages.append(message)

    def _add_user(self, blocks: list[Any], place: str) -> None:
        parts: list[Placed] = []
        shown: list[Placed] = []
        for at, block in enumerate(blocks):
            if isinstance(block, MessageToolResultBlock):
                self._add_parts(parts, place)
                parts = []
                shown += self._add_result(block, place, f"content.{at}")
            else:
                parts.append((_part(block, f"{place}.content.{at}", "user"), f"content.{at}.source"))
        self._add_parts([*shown, *parts], place)
        if not blocks:
            self._add({"role": "user", "content": []}, place)

    def _add_parts(self, parts: list[Placed], place: str) -> None:
        if parts:
            self.names |= image_names(len(self.messages), parts)
            self._add({"role": "user", "content": [part for part, _ in parts]}, place)

    def _add_result(self, block: MessageToolResultBlock, place: str, path: str) -> list[Placed]:
        """Add a tool's result, and return its images."""
        given = [MessageTextBlock(type="text", text=block.content)] if isinstance(block.content, str) else block.content
        texts = [each.text if isinstance(each, MessageTextBlock) else RESULT_IMAGE for each in given or ()]
        content = (ERROR if block.is_error else "") + "".join(texts)
        self._add({"role": "tool", "tool_call_id": block.tool_use_id, "content": content}, f"{place}.{path}")
        inside = [(each, f"{path}.content.{at}") for at, each in enumerate(given or ())]
        return [
            (_part(each, f"{place}.{at}", "user"), f"{at}.source")
            for each, at in inside
            if isinstance(each, MessageImageBlock)
        ]

    def _add_assistant(self, blocks: list[Any], place: str) -> None:
        thoughts = [each.thinking for each in blocks if isinstance(each, MessageThinkingBlock)]
        calls = [_call(each) for each in blocks if isinstance(each, MessageToolUseBlock)]
        parts = [
            _part(each, f"{place}.content.{at}", "assistant")
            for at, each in enumerate(blocks)
            if not isinstance(each, MessageThinkingBlock | MessageToolUseBlock)
        ]
        message: dict[str, Any] = {"role": "assistant", "content": parts or None}
        message |= {"reasoning_content": "".join(thoughts)} if thoughts else {}
        self._add(message | ({"tool_calls": calls} if calls else {}), place)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _part(block: Any, place: str, role: str) -> dict[str, Any]:
    """Return a text or an image as a part of a chat's message. Raises: ApiError 400 for any other block."""
    if isinstance(block, MessageTextBlock):
        return _text(block.text)
    if isinstance(block, MessageImageBlock) and role == "user":
        return {"type": "image_url", "image_url": {"url": _address(block, place)}}
    raise bad_request(place, f"{place}: a block of the type {block.type} cannot stand in a message of the {role}")


def _address(image: MessageImageBlock, place: str) -> str:
    """Return where the image is, of base64 as a data URL. Raises: ApiError 400 if that is not said."""
    source = image.source
    if source.type == "url" and source.url is not None:
        return source.url
    if source.type == "base64" and source.data is not None and source.media_type is not None:
        return f"data:{source.media_type};base64,{source.data}"
    needed = "url" if source.type == "url" else "media_type and data"
    raise bad_request(f"{place}.source", f"{place}.source: the type {source.type} needs {needed}")


def _call(block: MessageToolUseBlock) -> dict[str, Any]:
    function = {"name": block.name, "arguments": json.dumps(block.input or {})}
    return {"id": block.id, "type": "function", "function": function}
