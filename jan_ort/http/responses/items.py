"""From the items of a conversation to the messages of a chat (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.reading.result_images import Placed, image_names
from jan_ort.http.responses.content import chat_part, chat_parts, parts, result_of, text_of, thought_of

Item = dict[str, Any]

_ROLES = ("user", "assistant", "system", "developer")
_KINDS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")
_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}


def item_id(kind: str, response_id: str, at: int) -> str:
    """Return the id of the item at a place of a response's conversation, from which the response's can be told."""
    return f"{_PREFIXES[kind]}_{response_id.removeprefix('resp_')}_{at}"


def with_ids(items: Sequence[Item], response_id: str) -> list[Item]:
    """Return the items, each with an id of its own: its place's where it has none, or that of an earlier one."""
    named: dict[str, Item] = {}
    for at, item in enumerate(items):
        identity = item.get("id")
        if not identity or identity in named:
            identity = item_id(item["type"], response_id, at)
        named[identity] = item | {"id": identity}
    return list(named.values())


def response_of_item(identity: str) -> str:
    """Return the id of the response that an item belongs to, if it has one of ours."""
    return f"resp_{identity.partition('_')[2].partition('_')[0]}"


def checked_item(item: Item, place: str) -> Item:
    """Return an item as it is kept and answered, with its content as parts. Raises: ApiError 400 naming the place."""
    kind = item.get("type") or ("item_reference" if item.keys() == {"id"} else "message")
    if kind not in _KINDS:
        raise unsupported(
            f"{place}.type", f"{place}.type is {kind[:40]!r}, which is not supported; use {_one_of(_KINDS)}"
        )
    checked = item | {"type": kind}
    match kind:
        case "message":
            role = item.get("role")
            if role not in _ROLES:
                found = "missing" if role is None else repr(role[:40])
                raise bad_request(f"{place}.role", f"{place}.role is {found}; use {_one_of(_ROLES)}")
            checked["content"] = parts(item.get("content"), role, f"{place}.content")
        case "function_call":
            _need(item, ("call_id", "name"), place)
            checked |= {"arguments": item.get("arguments") or "{}"}
        case "function_call_output":
            _need(item, ("call_id",), place)
            checked["output"] = parts(item.get("output") or "", "output", f"{place}.output")
        case "item_reference":
            _need(item, ("id",), place)
        case "reasoning":
            thought_of(item, place)
    return (
        checked if kind in ("reasoning", "item_reference") else checked | {"status": item.get("status") or "completed"}
    )


def _need(item: Item, names: Sequence[str], place: str) -> None:
    for name in names:
        if not isinstance(item.get(name), str):
            raise bad_request(f"{place}.{name}", f"{place}.{name} is missing; the type {item['type']} needs it")


def _one_of(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


class Messages:
    """The messages of a chat that items stand for, the place that each comes from, and what images are called there.

    What the assistant thought, said and called in a row is one message.
    """

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.places: list[str] = []
        self.names: dict[str, str] = {}
        self._shown: list[Placed] = []

    def add(self, item: Item, place: str) -> None:
        """Add a checked item."""
        if item["type"] != "function_call_output":
            self.show()
        match item["type"]:
            case "message" if item["role"] == "assistant":
                self._of_assistant(place, content=text_of(item["content"]))
            case "message":
                self.say(item["role"], chat_parts(item["content"]), place)
            case "reasoning":
                self._of_assistant(place, reasoning_content=thought_of(item, place))
            case "function_call":
                function = {"name": item["name"], "arguments": item["arguments"]}
                call = {"id": item["call_id"], "type": "function", "function": function}
                self._of_assistant(place, tool_calls=[call])
            case "function_call_output":
                self.say("tool", result_of(item["output"]), place, tool_call_id=item["call_id"])
                self._shown += [
                    (chat_part(part), f"{place}.output.{at}.image_url")
                    for at, part in enumerate(item["output"])
                    if part["type"] == "input_image"
                ]

    def show(self) -> None:
        """Add the images of the results before, as the user's; after the last item, too."""
        if not self._shown:
            return
        top = self._shown[0][1].partition(".")[0]
        parts = [(part, path.removeprefix(f"{top}.")) for part, path in self._shown]
        self.names |= image_names(len(self.messages), parts)
        self.say("user", [part for part, _ in parts], top)
        self._shown = []

    def say(self, role: str, content: str | list[dict[str, Any]] | None, place: str, **more: Any) -> None:
        """Add a message."""
        self.messages.append({"role": role, "content": content, **more})
        self.places.append(place)

    def _of_assistant(self, place: str, **more: Any) -> None:
        last = self.messages[-1] if self.messages and self.messages[-1]["role"] == "assistant" else None
        if last is None or not _goes_on(last, more):
            self.say("assistant", None, place)
            last = self.messages[-1]
        for name, value in more.items():
            last[name] = (last.get(name) or type(value)()) + value


def _goes_on(message: dict[str, Any], more: dict[str, Any]) -> bool:
    """Whether a message's next piece belongs to it: thoughts come first, then what is said, then calls."""
    if "tool_calls" in more:
        return True
    if "content" in more:
        return message["content"] is None and "tool_calls" not in message
    return message["content"] is None and "tool_calls" not in message and "reasoning_content" not in message
