"""What is read out of an answer: pieces of thoughts, of content, and of calls (hop 9)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of what the model thinks before it answers."""

    text: str


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
    """The next piece of a call's arguments, which are JSON text; as the model wrote it, if its format is JSON."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """A call's arguments are complete and valid JSON; a call without this event was cut off or is malformed."""

    index: int


Event = ReasoningDelta | ContentDelta | ToolCallStart | ArgumentsDelta | ToolCallEnd
"""What a parser gives out."""


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A call of this tool has certainly begun."""

    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The next piece of the arguments of the call that has begun, as JSON text."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The arguments are complete and one JSON object; or, not ``is_complete``, they broke off."""

    is_complete: bool = True


CallEvent = CallStarted | CallArguments | CallEnded | ContentDelta
"""What the reader of a format gives to its parser; ContentDelta is text that the format itself wraps."""
