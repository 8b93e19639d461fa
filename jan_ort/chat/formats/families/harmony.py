"""gpt-oss' format, Harmony: an answer is messages on channels, for thoughts, calls and what the user reads.

Source: OpenAI's description of the Harmony response format, and the chat template of gpt-oss, as its repository has it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from enum import Enum, auto
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.headed_calls import Following, HeadedCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.reasoning import AnswerDelta, Piece, Preface, Thoughts, ThoughtStage
from jan_ort.chat.tools import ReasoningDelta, Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.json_scanner import WHITESPACE
from jan_ort.chat.tools.lark_text import as_expression
from jan_ort.ground.shown_tokens import plain, shown_in

_START, _CHANNEL, _MESSAGE, _END = "<|start|>", "<|channel|>", "<|message|>", "<|end|>"
_CONSTRAIN, _CALL, _RETURN = "<|constrain|>", "<|call|>", "<|return|>"
_ENDS = (_END, _CALL, _RETURN, _START, _CHANNEL)
_HEADS = (_START, _CHANNEL, "to=", _END, _CALL, _RETURN)
_CALLED = f"{_CHANNEL}commentary to=functions."
_THOUGHT = f"{_CHANNEL}analysis{_MESSAGE}"
_NEXT = f"{_END}{_START}assistant"
_FINAL = f"{_CHANNEL}final{_MESSAGE}"
_HEAD = re.compile(r"(?P<name>[\w.-]+)<\|message\|>\s*")
_RECIPIENT = re.compile(r"to=([\w.-]+)")
_MAX_HEADER = 256


class _Part(Enum):
    HEADER = auto()
    THOUGHT = auto()
    CONTENT = auto()
    CALL = auto()


class HarmonyThoughts(Thoughts):
    """Thoughts on the channel ``analysis``."""

    tokens = (_START, _CHANNEL, _MESSAGE, _END, _CONSTRAIN, _CALL, _RETURN)
    efforts: Mapping[str, str] = {"none": "low", "minimal": "low", "xhigh": "high"}

    def stage(
        self,
        *,
        is_thinking: bool,
        callable_names: Collection[str] = (),
        special: Collection[str] = (),
        is_constrained: bool = False,
    ) -> ThoughtStage:
        """Return what reads one answer: markers that are special tokens are those tokens only, and else text."""
        return HarmonyStage(callable_names, is_thinking=is_thinking, special=special)

    def are_open_in(self, prompt: str) -> bool:
        """Whether the prompt ends with the head of a thought."""
        return prompt.endswith(_THOUGHT)

    def closed(self, prompt: str) -> str:
        """Return the prompt with the end of the thought."""
        return prompt + _NEXT

    def preface(self, special_token_ids: Mapping[str, int], *, is_thinking: bool, is_call: bool) -> Preface:
        """Return the grammar of one thought, and of the head of what the user reads unless a call comes."""

        def expression(text: str) -> str:
            return as_expression(text, special_token_ids)

        head = "" if is_thinking else f"{expression(_THOUGHT)} "
        tail = _NEXT if is_call else _NEXT + _FINAL
        is_token = _END in special_token_ids
        body = f"thought{'' if is_token else '[lazy]'}: TEXT {expression(_END)}\nTEXT: /(.|\\n)*/\n"
        thought = f"{head}thought {expression(_NEXT.removeprefix(_END))}"
        answer = "" if is_call else f" {expression(_FINAL)}"
        start = f"({thought})?{answer}" if answer and not is_thinking else f"{thought}{answer}"
        parts = [each for each in re.split(r"(<\|\w+\|>)", tail) if each]
        closing = tuple(special_token_ids.get(each, each) for each in parts)
        return Preface(f"start: {start}\n{body}", is_needed=is_thinking or not is_call, closing=closing)


class HarmonyStage(ThoughtStage):
    """Splits messages by their channel. A call of a function that may not be called is a thought.

    A call is given on with a head of one form; the models write several.
    """

    def __init__(self, callable_names: Collection[str], *, is_thinking: bool, special: Collection[str] = ()) -> None:
        super().__init__()
        self._names = callable_names
        self._ends = {shown_in(each, special): each for each in _ENDS}
        self._message = shown_in(_MESSAGE, special)
        self._heads = [shown_in(each, special) for each in _HEADS]
        self._held = ""
        self._part = _Part.THOUGHT if is_thinking else _Part.HEADER
        self._has_thought = self._is_new = False

    def feed(self, text: str) -> list[Piece]:
        """Return what is certain after the next piece of text."""
        self._held += text
        pieces: list[Piece] = []
        while self._held and self._step(pieces):
            pass
        return [piece for piece in pieces if piece.text]

    def finish(self, *, is_cut: bool = False) -> list[Piece]:
        """Return what is left: a head that is not whole is none of the answer."""
        text, part = self._held, self._part
        self._take(len(text))
        if part is _Part.THOUGHT:
            return [self._thought(text)] if text else []
        return [AnswerDelta(text)] if text and part is not _Part.HEADER and not is_cut else []

    def _step(self, pieces: list[Piece]) -> bool:
        """Read on; False where more text is needed."""
        if self._part is _Part.HEADER:
            return self._header(pieces)
        at, end = min(((at, each) for each in self._ends if (at := self._held.find(each)) >= 0), default=(0, ""))
        if not end:
            num_held = max(_overlap(self._held, each) for each in self._ends)
            text = self._take(len(self._held) - num_held)
            pieces.append(self._piece(text))
            return False
        pieces.append(self._piece(self._take(at)))
        if self._part is _Part.CALL:
            pieces.append(AnswerDelta(_CALL))
        self._part = _Part.HEADER
        self._take(0 if self._ends[end] in (_START, _CHANNEL) else len(end))
        return True

    def _header(self, pieces: list[Piece]) -> bool:
        text = self._held.lstrip(WHITESPACE)
        for end, name in self._ends.items():
            if name in (_END, _CALL, _RETURN) and text.startswith(end):
                self._take(len(self._held) - len(text) + len(end))
                return True
        at = self._held.find(self._message)
        if at < 0:
            is_head = any(each.startswith(text) or text.startswith(each) for each in self._heads)
            if is_head and len(self._held) <= _MAX_HEADER:
                return False
            self._part = _Part.CONTENT
            return True
        header = plain(self._take(at + len(_MESSAGE)))
        recipient = _RECIPIENT.search(header)
        name = recipient[1].removeprefix("functions.") if recipient is not None else ""
        if name in self._names:
            self._part = _Part.CALL
            pieces.append(AnswerDelta(f"{_CALLED}{name}{_MESSAGE}"))
        else:
            self._part = _Part.THOUGHT if name or f"{_CHANNEL}analysis" in header else _Part.CONTENT
        self._is_new = self._part is _Part.THOUGHT
        return True

    def _piece(self, text: str) -> Piece:
        return self._thought(text) if self._part is _Part.THOUGHT else AnswerDelta(text)

    def _thought(self, text: str) -> ReasoningDelta:
        between = "\n" if text and self._is_new and self._has_thought else ""
        if text:
            self._is_new, self._has_thought = False, True
        return ReasoningDelta(between + text)

    def _take(self, num_characters: int) -> str:
        text, self._held = self._held[:num_characters], self._held[num_characters:]
        is_markup = text.endswith((self._message, *self._ends))
        self._settle(num_characters, is_content=not is_markup and self._part in (_Part.CONTENT, _Part.CALL))
        return text


class HarmonyFormat(ToolFormat):
    """One call in an answer, on the channel ``commentary``."""

    name = "harmony"
    markers = HarmonyThoughts.tokens
    openings = (Opening(_CALLED),)
    text_head = _FINAL
    thoughts = HarmonyThoughts()

    def detects(self, template: TemplateView) -> bool:
        """Whether the template writes thoughts and answers on their channels."""
        return template.knows_tools and _THOUGHT in template.text and _FINAL in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of one call, as the stage gives it."""
        return HeadedCallsReader(tools, head=_HEAD, after={_CALL: Following.END})

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one call, or of a text for the user."""

        def rules(at: int, tool: Tool) -> Iterator[str]:
            head = grammar.marker(f"{_CALLED}{tool.name} {_CONSTRAIN}json{_MESSAGE}")
            yield from grammar.json_call(at, tool, head)

        start = ["start: call"]
        if not grammar.plan.is_forced:
            start = [f"start: call | {grammar.marker(_FINAL)} TEXT", r"TEXT: /(.|\n)*/"]
        return grammar.lark(start, rules)

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with one call each, each before its result: the template knows only the last call.

        A text beside calls has a message of its own, for the template takes it for the thought.
        """
        shaped: list[dict[str, Any]] = []
        results = [message for message in messages if message["role"] == "tool"]
        for message in messages:
            calls = message.get("tool_calls", ())
            if not calls:
                shaped += [] if any(message is each for each in results) else [message]
                continue
            rest = {key: value for key, value in message.items() if key != "tool_calls"}
            if message["content"] and message.get("thinking"):
                shaped.append({key: value for key, value in rest.items() if key != "thinking"})
                rest["content"] = ""
            for call in calls:
                shaped.append(rest | {"tool_calls": [call]})
                shaped += [each for each in results if each["tool_call_id"] == call["id"]]
                rest = {"role": "assistant", "content": ""}
        return shaped


def _overlap(text: str, marker: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``marker``."""
    return next((n for n in range(min(len(text), len(marker) - 1), 0, -1) if text.endswith(marker[:n])), 0)
