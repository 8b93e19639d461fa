"""Items of a response's output, and the events that open, grow and close them (hop 9)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Event, ReasoningDelta, ToolCallEnd, ToolCallStart
from jan_ort.http.responses.content import sealed
from jan_ort.http.responses.items import item_id

Chunk = dict[str, Any]


class _OpenItem:
    """An item while it grows: what is common to all kinds. ``growing`` is the name of its deltas' events."""

    kind = ""
    growing = ""
    part_events: tuple[str, str] | None = None
    index_name = "content_index"

    def __init__(self, response_id: str, at: int, output_index: int, **fields: Any) -> None:
        self.item: dict[str, Any] = {
            "type": self.kind,
            "id": item_id(self.kind, response_id, at),
            "status": "in_progress",
            **fields,
        }
        self._at = {"item_id": self.item["id"], "output_index": output_index}
        self._output_index = output_index
        self.pieces: list[str] = []

    @property
    def text(self) -> str:
        """All that has come."""
        return "".join(self.pieces)

    def part(self, text: str) -> dict[str, Any]:
        """Return the part of the item that holds the text."""
        raise NotImplementedError

    def finished(self, text: str) -> dict[str, Any]:
        """Return the fields of the item that hold the text, and those of the event that tells of its end."""
        raise NotImplementedError

    def opened(self) -> list[Chunk]:
        """Return the events of its beginning."""
        added = {"type": "response.output_item.added", "output_index": self._output_index, "item": dict(self.item)}
        return [added, *self._part(0, "")]

    def grown(self, text: str, **more: Any) -> list[Chunk]:
        """Take the next piece, and return its events."""
        self.pieces.append(text)
        return [{"type": f"response.{self.growing}.delta", **self._place(), "delta": text, **more}]

    def closed(self, status: str, **more: Any) -> list[Chunk]:
        """Return the events of its end."""
        text = self.text
        self.item |= {"status": status} | self.finished(text)
        name = "arguments" if self.part_events is None else "text"
        done = {"type": f"response.{self.growing}.done", **self._place(), name: text, **more}
        ended = {"type": "response.output_item.done", "output_index": self._output_index, "item": self.item}
        return [done, *self._part(1, text), ended]

    def _place(self) -> dict[str, Any]:
        return self._at if self.part_events is None else self._at | {self.index_name: 0}

    def _part(self, which: int, text: str) -> list[Chunk]:
        if self.part_events is None:
            return []
        return [{"type": f"response.{self.part_events[which]}", **self._place(), "part": self.part(text)}]


class _Message(_OpenItem):
    kind, growing = "message", "output_text"
    part_events = "content_part.added", "content_part.done"

    def __init__(self, response_id: str, at: int, output_index: int, **fields: Any) -> None:
        super().__init__(response_id, at, output_index, **fields)
        self.logprobs: list[Any] = []

    def part(self, text: str) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(self.logprobs)}

    def finished(self, text: str) -> dict[str, Any]:
        return {"content": [self.part(text)]}


class _Thought(_OpenItem):
    kind, growing = "reasoning", "reasoning_text"
    part_events = "content_part.added", "content_part.done"

    def part(self, text: str) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": text}

    def finished(self, text: str) -> dict[str, Any]:
        return {"content": [self.part(text)]}


class _Summary(_OpenItem):
    kind, growing = "reasoning", "reasoning_summary_text"
    part_events = "reasoning_summary_part.added", "reasoning_summary_part.done"
    index_name = "summary_index"

    def part(self, text: str) -> dict[str, Any]:
        return {"type": "summary_text", "text": text}

    def finished(self, text: str) -> dict[str, Any]:
        return {"summary": [self.part(text)]}


class _Call(_OpenItem):
    kind, growing = "function_call", "function_call_arguments"

    def finished(self, text: str) -> dict[str, Any]:
        return {"arguments": text}


class OutputItems:
    """Writes what is read of an answer as items, of which one grows at a time; ``first`` is the first one's place."""

    def __init__(self, response_id: str, first: int, *, is_summarized: bool, is_sealed: bool) -> None:
        self._response_id = response_id
        self._first = first
        self._is_summarized = is_summarized
        self._is_sealed = is_sealed
        self._items: list[_OpenItem] = []
        self._open: _OpenItem | None = None
        self._logprobs: list[Any] = []

    @property
    def items(self) -> list[dict[str, Any]]:
        """The items, as far as they have come."""
        return [each.item for each in self._items]

    def add(self, events: Iterable[Event], logprobs: Iterable[Any] = ()) -> list[Chunk]:
        """Take what was read, and the log-probabilities of its tokens, and return the stream's events."""
        self._logprobs.extend(logprobs)
        return [chunk for event in events for chunk in self._chunks(event)]

    def finish(self, *, is_cut: bool) -> list[Chunk]:
        """Return the events that end the last item; an answer of nothing is an empty message."""
        chunks = [] if self._items else self._begin(_Message, content=[])
        return chunks + self._end("incomplete" if is_cut or isinstance(self._open, _Call) else "completed")

    def _chunks(self, event: Event) -> list[Chunk]:
        match event:
            case ReasoningDelta():
                return self._thought() + self._grown(event.text)
            case ContentDelta():
                begun = [] if isinstance(self._open, _Message) else self._begin(_Message, content=[])
                logprobs, self._logprobs = self._logprobs, []
                assert isinstance(self._open, _Message), "it has begun"
                self._open.logprobs.extend(logprobs)
                return begun + self._grown(event.text, logprobs=logprobs)
            case ToolCallStart():
                self._logprobs = []  # a call has no place for them
                return self._begin(_Call, call_id=event.id, name=event.name, arguments="")
            case ArgumentsDelta():
                return self._grown(event.text)
            case ToolCallEnd():
                return self._end("completed")

    def _thought(self) -> list[Chunk]:
        kind = _Summary if self._is_summarized else _Thought
        if isinstance(self._open, kind):
            return []
        return self._begin(kind, summary=[]) if self._is_summarized else self._begin(kind, summary=[], content=[])

    def _begin(self, kind: type[_OpenItem], **fields: Any) -> list[Chunk]:
        ended = self._end("incomplete" if isinstance(self._open, _Call) else "completed")
        more = {"role": "assistant"} if kind is _Message else {}
        output_index = len(self._items)
        self._open = kind(self._response_id, self._first + output_index, output_index, **more, **fields)
        self._items.append(self._open)
        return ended + self._open.opened()

    def _grown(self, text: str, **more: Any) -> list[Chunk]:
        assert self._open is not None, "what grows has begun"
        return self._open.grown(text, **more)

    def _end(self, status: str) -> list[Chunk]:
        ending, self._open = self._open, None
        if ending is None:
            return []
        if ending.kind == "reasoning" and self._is_sealed:
            ending.item["encrypted_content"] = sealed(ending.text)
        if isinstance(ending, _Message):
            ending.logprobs.extend(self._logprobs)
            self._logprobs = []
            return ending.closed(status, logprobs=ending.logprobs)
        return ending.closed(status, **({"name": ending.item["name"]} if isinstance(ending, _Call) else {}))
