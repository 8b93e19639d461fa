"""What a tool call parser gives out: pieces of content, and of calls (hop 8)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ContentDelta:
    """Text that is no part of a call, as the model wrote it."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A call to a known tool has begun; calls of one answer are numbered from 0."""

    index: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsDelta:
    """The next piece of a call's arguments, which are JSON text as the model wrote it."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """A call's arguments are complete and valid JSON; a call without this event was cut off or is malformed."""

    index: int


Event = ContentDelta | ToolCallStart | ArgumentsDelta | ToolCallEnd
