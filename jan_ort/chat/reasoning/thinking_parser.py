"""A parser behind the stage that takes the thoughts out of an answer (hop 9).

The stage comes first: a call inside a thought is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from jan_ort.chat.reasoning.thoughts import Piece, ThoughtStage
from jan_ort.chat.tools.call_events import ContentDelta, Event, ReasoningDelta
from jan_ort.ground.shown_tokens import plain


class AnswerParser(Protocol):
    """What reads an answer's text: a ToolCallParser, or one behind a stage."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the answer is wanted."""
        ...

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        ...

    def finish(self, *, is_cut: bool = False) -> list[Event]:
        """Return what is left when the answer has ended; ``is_cut`` says that the limit ended it."""
        ...


class PlainParser:
    """Takes all that is no thought for content."""

    is_done = False

    def feed(self, text: str) -> list[Event]:
        """Return the text."""
        return [ContentDelta(text)] if text else []

    def finish(self, *, is_cut: bool = False) -> list[Event]:
        """Return nothing: no text is held back."""
        return []


class ThinkingParser:
    """Gives a parser what is no thought."""

    def __init__(self, stage: ThoughtStage, parser: AnswerParser) -> None:
        self._stage = stage
        self._parser = parser

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the answer is wanted."""
        return self._parser.is_done

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        return self._parsed(self._stage.feed(text))

    def finish(self, *, is_cut: bool = False) -> list[Event]:
        """Return what is left when the answer has ended."""
        return [*self._parsed(self._stage.finish(is_cut=is_cut)), *self._parser.finish(is_cut=is_cut)]

    def _parsed(self, pieces: Sequence[Piece]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            text = plain(piece.text)
            events += [ReasoningDelta(text)] if isinstance(piece, ReasoningDelta) else self._parser.feed(text)
        return events
