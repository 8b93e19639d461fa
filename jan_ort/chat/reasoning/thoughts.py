"""What a way to think is: how a thought is recognised in a prompt, read in an answer, and written before a grammar."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from jan_ort.chat.tools.call_events import ReasoningDelta


@dataclass(frozen=True, slots=True)
class AnswerDelta:
    """The next piece of what is no thought: content and calls."""

    text: str


Piece = ReasoningDelta | AnswerDelta


@dataclass(frozen=True, slots=True)
class Preface:
    """What a model may write before an answer that a grammar constrains, as a grammar of its own (hop 3).

    ``source`` is in the matcher's language. It ``is_needed``, or may be left out. ``closing`` ends a thought that would
    leave no room for the answer: texts, and special tokens by their ids. What begins with ``opening`` is no answer,
    though that may have the same text.
    """

    source: str
    is_needed: bool
    closing: tuple[str | int, ...]
    opening: str = ""


class ThoughtStage(ABC):
    """Splits one answer. Feed the text as it comes, then finish; pieces joined do not depend on how it was cut.

    It also remembers which characters were content, so that a token's values can be put where its text is.
    """

    def __init__(self) -> None:
        self._num_settled = 0
        self._spans: list[tuple[int, bool]] = []  # where each ends, and whether it is content

    @abstractmethod
    def feed(self, text: str) -> list[Piece]:
        """Return what is certain after the next piece of text."""

    @abstractmethod
    def finish(self, *, is_cut: bool = False) -> list[Piece]:
        """Return what is left when the answer has ended; the beginning of a marker ``is_cut`` at the limit is none."""

    def knows(self, offset: int) -> bool:
        """Whether it is certain what the character at ``offset`` of the answer belongs to."""
        return offset < self._num_settled

    def is_content(self, offset: int) -> bool:
        """Whether the character is content, and neither thought nor a marker."""
        return next((is_content for end, is_content in self._spans if offset < end), self._is_last_content)

    @property
    def _is_last_content(self) -> bool:
        return bool(self._spans and self._spans[-1][1])

    def _settle(self, num_characters: int, *, is_content: bool) -> None:
        """Take the next characters of the answer for content, or not."""
        if not num_characters:
            return
        self._num_settled += num_characters
        if self._spans and self._spans[-1][1] == is_content:
            self._spans.pop()
        self._spans.append((self._num_settled, is_content))


class Thoughts(ABC):
    """One way to think. It holds no state: every answer has a stage of its own."""

    tokens: tuple[str, ...]
    """Texts of its markers that may be special tokens; a detokenizer must give them out."""

    efforts: Mapping[str, str] = {}
    """What a template is told in place of an effort that its models were not taught."""

    @abstractmethod
    def stage(
        self,
        *,
        is_thinking: bool,
        callable_names: Collection[str] = (),
        special: Collection[str] = (),
        is_constrained: bool = False,
    ) -> ThoughtStage:
        """Return what reads one answer, which begins inside of a thought if it ``is_thinking``.

        ``callable_names`` are the functions that it may call. Of the markers, the ``special`` ones are shown as
        ``ground/shown_tokens.py`` says. An answer that ``is_constrained`` has one thought, as the preface says.
        """

    @abstractmethod
    def are_open_in(self, prompt: str) -> bool:
        """Whether the prompt ends with the beginning of a thought, so that the answer goes on with it."""

    @abstractmethod
    def closed(self, prompt: str) -> str:
        """Return a prompt in which a thought is open with its end: nothing is thought."""

    @abstractmethod
    def preface(self, special_token_ids: Mapping[str, int], *, is_thinking: bool, is_call: bool) -> Preface:
        """Return what comes before a constrained answer: ``is_call`` if that writes calls, and says so itself."""
