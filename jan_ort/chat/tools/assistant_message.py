"""From a parser's events to what the client gets: a message, or a stream's deltas (hop 9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jan_ort.chat.tools.call_events import (
    ArgumentsDelta,
    ContentDelta,
    Event,
    ReasoningDelta,
    ToolCallEnd,
    ToolCallStart,
)


class AssistantMessage:
    """Collects the events of one answer; ``is_legacy`` writes ``function_call`` in place of ``tool_calls``.

    A call that was cut off or broke is kept as far as it came, just as a stream has given it out already.
    """

    def __init__(self, *, is_legacy: bool = False) -> None:
        self.num_complete = 0
        self._is_legacy = is_legacy
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[ToolCallStart] = []
        self._arguments: list[list[str]] = []

    def add(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for event in events:
            match event:
                case ReasoningDelta():
                    self._reasoning.append(event.text)
                case ContentDelta():
                    self._content.append(event.text)
                case ToolCallStart():
                    self._calls.append(event)
                    self._arguments.append([])
                case ArgumentsDelta():
                    self._arguments[event.index].append(event.text)
                case ToolCallEnd():
                    self.num_complete += 1

    def message(self) -> dict[str, Any]:
        """Return the response's message; ``content`` is null if there are only calls."""
        content = "".join(self._content)
        message: dict[str, Any] = {"role": "assistant", "content": content or (None if self._calls else "")}
        if self._reasoning:
            message |= _reasoning("".join(self._reasoning))
        functions = [
            {"name": call.name, "arguments": "".join(pieces)}
            for call, pieces in zip(self._calls, self._arguments, strict=True)
        ]
        if self._is_legacy and functions:
            message["function_call"] = functions[0]
        elif functions:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": function}
                for call, function in zip(self._calls, functions, strict=True)
            ]
        return message

    def finish_reason(self, reason: str | None) -> str | None:
        """Return why the answer ended; ``reason`` is the sampler's ``stop`` or ``length``.

        A model that stopped after at least one complete call has made its calls.
        """
        if reason != "stop" or not self.num_complete:
            return reason
        return "function_call" if self._is_legacy else "tool_calls"


def deltas(events: Iterable[Event], *, is_legacy: bool = False) -> list[dict[str, Any]]:
    """Return the deltas of a stream: id and name once for each call, then pieces of its arguments."""
    return [delta for event in events if (delta := _delta(event, is_legacy)) is not None]


def _delta(event: Event, is_legacy: bool) -> dict[str, Any] | None:
    match event:
        case ReasoningDelta():
            return _reasoning(event.text)
        case ContentDelta():
            return {"content": event.text}
        case ToolCallStart():
            function = {"name": event.name, "arguments": ""}
            call = {"index": event.index, "id": event.id, "type": "function", "function": function}
        case ArgumentsDelta():
            function = {"arguments": event.text}
            call = {"index": event.index, "function": function}
        case ToolCallEnd():
            return None
    return {"function_call": function} if is_legacy else {"tool_calls": [call]}


def _reasoning(text: str) -> dict[str, Any]:
    """Return a thought under both names that clients read: DeepSeek's, and OpenRouter's and the newer vLLM's."""
    return {"reasoning_content": text, "reasoning": text}
