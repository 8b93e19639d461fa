"""What is read out of an answer as blocks of content, whole or as events (hop 9)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Event, ReasoningDelta, ToolCallEnd, ToolCallStart
from jan_ort.http.answering.call_arguments import arguments_of

SIGNATURE = "unsigned"
"""Clients drop thoughts without a signature; this server signs none, and takes back any."""

_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


@dataclass(slots=True)
class _Block:
    """One block: its type, the id and name of a call, and what has come of its text or arguments."""

    kind: str
    call: dict[str, Any] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)

    def said(self, text: str) -> dict[str, Any]:
        """Return the block with a text, that of a call as far as it is JSON."""
        match self.kind:
            case "text":
                return {"type": "text", "text": text, "citations": None}
            case "thinking":
                return {"type": "thinking", "thinking": text, "signature": SIGNATURE if text else ""}
        return {"type": "tool_use", **self.call, "input": arguments_of(text), "caller": {"type": "direct"}}


class ContentBlocks:
    """Collects the events of one answer in blocks, and writes them as a stream's events.

    A call that was cut off is kept as far as it came, just as clients put it together from a stream.
    """

    def __init__(self) -> None:
        self.num_complete_calls = 0
        self._blocks: list[_Block] = []
        self._is_open = False

    def add(self, events: Iterable[Event]) -> list[dict[str, Any]]:
        """Take the next events and return what a stream says of them."""
        return [chunk for event in events for chunk in self._of(event)]

    def close(self) -> list[dict[str, Any]]:
        """Return the end of the block that is open, if one is."""
        if not self._is_open:
            return []
        self._is_open = False
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        last = [self._delta(signed)] if self._blocks[-1].kind == "thinking" else []
        return [*last, {"type": "content_block_stop", "index": len(self._blocks) - 1}]

    def whole(self) -> list[dict[str, Any]]:
        """Return the content of an answer that is not streamed."""
        return [block.said("".join(block.pieces)) for block in self._blocks]

    def _of(self, event: Event) -> list[dict[str, Any]]:
        match event:
            case ReasoningDelta(text=text):
                return self._continued("thinking", text)
            case ContentDelta(text=text):
                return self._continued("text", text)
            case ToolCallStart():
                return self._opened(_Block("tool_use", {"id": event.id, "name": event.name}))
            case ArgumentsDelta(text=text):
                return self._continued("tool_use", text)
            case ToolCallEnd():
                self.num_complete_calls += 1
                return self.close()

    def _continued(self, kind: str, text: str) -> list[dict[str, Any]]:
        is_same = self._is_open and self._blocks[-1].kind == kind
        opened = [] if is_same else self._opened(_Block(kind))
        self._blocks[-1].pieces.append(text)
        name, key = _DELTAS[kind]
        return [*opened, self._delta({"type": name, key: text})]

    def _opened(self, block: _Block) -> list[dict[str, Any]]:
        closed = self.close()
        self._blocks.append(block)
        self._is_open = True
        start = {"type": "content_block_start", "index": len(self._blocks) - 1, "content_block": block.said("")}
        return [*closed, start]

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": len(self._blocks) - 1, "delta": delta}
