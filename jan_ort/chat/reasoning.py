"""What a model thinks, told apart from what it answers, as it streams (hop 9).

Thoughts stand at the beginning of an answer, between two markers; a template may have written the first one already.
The stage comes before the parser of tool calls: a call inside a thought is none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from jan_ort.chat.tools import ContentDelta, Event
from jan_ort.chat.tools.call_reader import MAX_SPACE
from jan_ort.chat.tools.json_scanner import WHITESPACE


@dataclass(frozen=True, slots=True)
class ThoughtMarkers:
    """The texts around a thought."""

    opening: str
    closing: str

    def are_in(self, template_text: str) -> bool:
        """Whether a template with these texts writes a thought, or removes those of earlier messages."""
        return self.opening in template_text or self.closing in template_text

    def are_open_in(self, prompt: str) -> bool:
        """Whether the prompt ends with the beginning of a thought, so that the answer goes on with it."""
        return prompt.rstrip(WHITESPACE).endswith(self.opening)


THOUGHT_MARKERS = (ThoughtMarkers("<think>", "</think>"),)
"""All markers, in the order in which a template is shown to them: those of Qwen 3, DeepSeek R1, SmolLM3 and others."""


def find_thoughts(template_text: str) -> ThoughtMarkers | None:
    """Return the markers of a model's thoughts, None if it has none; see ``TemplateView.text``."""
    return next((each for each in THOUGHT_MARKERS if each.are_in(template_text)), None)


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of a thought, as the model wrote it, its markers included."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerDelta:
    """The next piece of what follows the thoughts."""

    text: str


class ReasoningStage:
    """Splits one answer. Feed the text as it comes, then finish; pieces joined do not depend on how it was cut.

    ``is_thinking`` says that the answer begins inside of a thought. Markers that are ``hidden`` are not given out. The
    first text that is no thought ends the stage: what follows is answer, whatever it holds.
    """

    def __init__(self, markers: ThoughtMarkers, *, is_thinking: bool = False, hidden: Collection[str] = ()) -> None:
        self._opening, self._closing = markers.opening, markers.closing
        self._hidden = hidden
        self._held = ""
        self._read: Callable[[], ReasoningDelta | AnswerDelta | None]
        self._read = self._in_thought if is_thinking else self._before_thought

    def feed(self, text: str) -> list[ReasoningDelta | AnswerDelta]:
        """Return what is certain after the next piece of text."""
        self._held += text
        pieces = []
        while self._held and (piece := self._read()) is not None:
            pieces.append(piece)
        return [piece for piece in pieces if piece.text]

    def finish(self) -> list[ReasoningDelta | AnswerDelta]:
        """Return what is left when the answer has ended: what is held is part of where it stands."""
        text, self._held = self._held, ""
        if not text:
            return []
        return [ReasoningDelta(text) if self._read == self._in_thought else AnswerDelta(text)]

    def _before_thought(self) -> ReasoningDelta | AnswerDelta | None:
        text = self._held.lstrip(WHITESPACE)
        num_spaces = len(self._held) - len(text)
        if num_spaces <= MAX_SPACE:
            if text.startswith(self._opening):
                self._read = self._in_thought
                return self._thought(num_spaces, self._opening)
            if self._opening.startswith(text):
                return None
        self._read = self._in_answer
        return self._in_answer()

    def _in_thought(self) -> ReasoningDelta | None:
        at = self._held.find(self._closing)
        if at >= 0:
            self._read = self._before_thought
            return self._thought(at, self._closing)
        num_certain = len(self._held) - self._num_closing()
        return self._thought(num_certain) if num_certain else None

    def _in_answer(self) -> AnswerDelta:
        text, self._held = self._held, ""
        return AnswerDelta(text)

    def _thought(self, length: int, marker: str = "") -> ReasoningDelta:
        """Take the beginning of what is held, and the marker after it."""
        text = self._held[:length]
        self._held = self._held[length + len(marker) :]
        return ReasoningDelta(text if marker in self._hidden else text + marker)

    def _num_closing(self) -> int:
        """Return how many characters at the end may begin the closing marker."""
        longest = min(len(self._closing) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(self._closing[:n])), 0)


class AnswerParser(Protocol):
    """What reads an answer's text: a ToolCallParser, or one behind a stage."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the answer is wanted."""
        ...

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        ...

    def finish(self) -> list[Event]:
        """Return what is left when the answer has ended."""
        ...


class ThinkingParser:
    """Gives a parser what follows the thoughts; those are content, with their markers."""

    def __init__(self, stage: ReasoningStage, parser: AnswerParser) -> None:
        self._stage = stage
        self._parser = parser

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the answer is wanted."""
        return self._parser.is_done

    def feed(self, text: str) -> list[Event]:
        """Return what is certain after the next piece of text."""
        return self._parsed(self._stage.feed(text))

    def finish(self) -> list[Event]:
        """Return what is left when the answer has ended."""
        return [*self._parsed(self._stage.finish()), *self._parser.finish()]

    def _parsed(self, pieces: Sequence[ReasoningDelta | AnswerDelta]) -> list[Event]:
        events: list[Event] = []
        for piece in pieces:
            if isinstance(piece, ReasoningDelta):
                events.append(ContentDelta(piece.text))
            else:
                events.extend(self._parser.feed(piece.text))
        return events
