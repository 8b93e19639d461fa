"""Thoughts between two markers before an answer; a template may have written the first one (hops 3 and 9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from jan_ort.chat.reasoning.thoughts import AnswerDelta, Piece, Preface, Thoughts, ThoughtStage
from jan_ort.chat.tools.call_events import ReasoningDelta
from jan_ort.chat.tools.call_reader import MAX_SPACE
from jan_ort.chat.tools.json_scanner import WHITESPACE
from jan_ort.chat.tools.lark_text import as_expression
from jan_ort.ground.shown_tokens import plain, shown_in

_BETWEEN = "\n"
"""What joins two thoughts of one answer."""


@dataclass(frozen=True)
class MarkedThoughts(Thoughts):
    """The texts around a thought, and which of their parts may be special tokens."""

    opening: str
    closing: str
    tokens: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.tokens:
            object.__setattr__(self, "tokens", (self.opening, self.closing))

    def are_in(self, template_text: str) -> bool:
        """Whether a template with these texts writes a thought, or removes those of earlier messages."""
        return self.opening in template_text or self.closing in template_text

    def are_open_in(self, prompt: str) -> bool:
        """Whether the prompt ends with the opening."""
        return prompt.rstrip(WHITESPACE).endswith(self.opening.rstrip(WHITESPACE))

    def are_left_open_in(self, content: str) -> bool:
        """Whether a message begins with a thought that does not end in it."""
        return content.lstrip(WHITESPACE).startswith(self.opening.rstrip(WHITESPACE)) and self.closing not in content

    def opened_apart(self, content: str) -> str:
        """Return the thought of such a message, without the opening."""
        return content.lstrip(WHITESPACE).removeprefix(self.opening.rstrip(WHITESPACE)).lstrip(WHITESPACE)

    def closed(self, prompt: str) -> str:
        """Return the prompt with the closing, as templates write a thought of nothing."""
        return f"{prompt.rstrip(WHITESPACE)}\n\n{self.closing}\n\n"

    def stage(
        self,
        *,
        is_thinking: bool,
        callable_names: Collection[str] = (),
        special: Collection[str] = (),
        is_constrained: bool = False,
    ) -> ThoughtStage:
        """Return what reads one answer. Only a grammar says for certain that markers come as their own tokens."""
        return MarkedStage(
            self, is_thinking=is_thinking, special=special if is_constrained else (), is_single=is_constrained
        )

    def preface(self, special_token_ids: Mapping[str, int], *, is_thinking: bool, is_call: bool) -> Preface:
        """Return the grammar of one thought and the space after it, which may be left out unless it has begun."""
        closing = as_expression(self.closing, special_token_ids)
        is_token = self.closing in special_token_ids
        # A text that may hold anything up to a marker is one lexeme with it, unless the marker is a token of its own.
        thought = f"thought: TEXT {closing}" if is_token else f"thought[lazy]: TEXT {closing}"
        opening = "" if is_thinking else f"{as_expression(self.opening, special_token_ids)} "
        source = f"start: {opening}thought SPACE?\n{thought}\nTEXT: /(.|\\n)*/\nSPACE: /[ \\t\\r\\n]{{1,8}}/\n"
        ending = special_token_ids[self.closing] if is_token else self.closing
        is_text = self.opening not in special_token_ids and not is_thinking
        return Preface(source, is_needed=is_thinking, closing=(ending,), opening=self.opening if is_text else "")


THINK = MarkedThoughts("<think>", "</think>")
"""Those of Qwen 3, DeepSeek R1, GLM, SmolLM3 and most others."""

MARKED: tuple[MarkedThoughts, ...] = (
    THINK,
    MarkedThoughts("[THINK]", "[/THINK]"),  # Magistral, Ministral 3
    MarkedThoughts("<seed:think>", "</seed:think>"),  # Seed-OSS
    MarkedThoughts("<mm:think>", "</mm:think>"),  # MiniMax M3
    MarkedThoughts("<|START_THINKING|>", "<|END_THINKING|>"),  # Command R7B, Command A
    MarkedThoughts("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    MarkedThoughts("<|channel>thought\n", "<channel|>", ("<|channel>", "<channel|>")),  # Gemma 4
    MarkedThoughts("◁think▷", "◁/think▷"),  # Kimi-VL
)
"""In the order in which a template is shown to them."""


def find_thoughts(template_text: str) -> MarkedThoughts | None:
    """Return the markers of a model's thoughts, None if it has none; see ``TemplateView.text``."""
    return next((each for each in MARKED if each.are_in(template_text)), None)


class MarkedStage(ThoughtStage):
    """Finds thoughts before the first other text, which ends the search: what follows is answer, whatever it holds.

    Markers are not given out, nor is white space around a thought; at most MAX_SPACE of it is held back.
    """

    def __init__(
        self, thoughts: MarkedThoughts, *, is_thinking: bool, special: Collection[str] = (), is_single: bool = False
    ) -> None:
        super().__init__()
        self._opening, self._closing = shown_in(thoughts.opening, special), shown_in(thoughts.closing, special)
        self._spelled: Callable[[str], str] = str if special else plain
        self._is_single = is_single
        self._held = ""
        self._has_thought = False  # whether a thought has ended
        self._is_blank = True  # whether nothing of this thought has been given out
        self._is_between = False  # whether an earlier thought has been given out
        self._read: Callable[[], Piece | None]
        self._read = self._in_thought if is_thinking else self._before_thought

    def feed(self, text: str) -> list[Piece]:
        """Return what is certain after the next piece of text."""
        self._held += self._spelled(text)
        pieces = []
        while self._held and (piece := self._read()) is not None:
            pieces.append(piece)
        return [piece for piece in pieces if piece.text]

    def knows(self, offset: int) -> bool:
        """Inside of a thought all is known: what is held back is part of it, or of its end."""
        return self._read == self._in_thought or super().knows(offset)

    def is_content(self, offset: int) -> bool:
        """Whether the character is content."""
        return super().is_content(offset) if offset < self._num_settled else self._read == self._in_answer

    def finish(self, *, is_cut: bool = False) -> list[Piece]:
        """Return what is left: what is held is part of where it stands."""
        text, self._held = self._held, ""
        is_thought = self._read == self._in_thought
        is_marker = not is_thought and is_cut and bool(text.strip(WHITESPACE))
        self._settle(len(text), is_content=not (is_thought or is_marker))
        if is_thought and (text := text.rstrip(WHITESPACE)):
            return [self._thought(text)]
        return [AnswerDelta(text)] if text and not is_marker else []

    def _before_thought(self) -> Piece | None:
        text = self._held.lstrip(WHITESPACE)
        num_spaces = len(self._held) - len(text)
        if self._has_thought:
            self._take(num_spaces, is_content=False)
            num_spaces = 0
        is_answer = self._is_single and (self._has_thought or num_spaces > 0)
        if num_spaces <= MAX_SPACE:
            if text.startswith(self._opening) and not is_answer:
                self._read = self._in_thought
                self._take(num_spaces + len(self._opening), is_content=False)
                return ReasoningDelta("")
            if not text or (self._opening.startswith(text) and not is_answer):
                return None
        self._read = self._in_answer
        return self._in_answer()

    def _in_thought(self) -> Piece | None:
        if self._is_blank and (space := len(self._held) - len(self._held.lstrip(WHITESPACE))):
            self._take(space, is_content=False)
            return ReasoningDelta("")
        at = self._held.find(self._closing)
        if at >= 0:
            text = _without_space(self._held[:at])
            self._take(at + len(self._closing), is_content=False)
            piece = self._thought(text) if text else ReasoningDelta("")
            self._read, self._has_thought = self._before_thought, True
            self._is_between, self._is_blank = self._is_between or not self._is_blank, True
            return piece
        certain = _without_space(self._held[: len(self._held) - self._num_closing()])
        self._take(len(certain), is_content=False)
        return self._thought(certain) if certain else None

    def _in_answer(self) -> Piece:
        return AnswerDelta(self._take(len(self._held), is_content=True))

    def _thought(self, text: str) -> ReasoningDelta:
        between = _BETWEEN if self._is_blank and self._is_between else ""
        self._is_blank = False
        return ReasoningDelta(between + text)

    def _take(self, num_characters: int, *, is_content: bool) -> str:
        text, self._held = self._held[:num_characters], self._held[num_characters:]
        self._settle(num_characters, is_content=is_content)
        return text

    def _num_closing(self) -> int:
        """Return how many characters at the end may begin the closing marker."""
        longest = min(len(self._closing) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(self._closing[:n])), 0)


def _without_space(text: str) -> str:
    """Return a thought's text without what may be the space before its end."""
    num_spaces = len(text) - len(text.rstrip(WHITESPACE))
    return text[: len(text) - min(num_spaces, MAX_SPACE)]
