"""What one answer of a chat says: its thoughts, calls and content, and which tokens were which (hop 9)."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from jan_ort.chat.reasoning import AnswerParser, PlainParser, ThinkingParser
from jan_ort.chat.tools import Event, ToolCallParser
from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.ground.shown_tokens import plain
from jan_ort.http.reading.chat import ChatPlan


class ChatReader:
    """Reads one choice's events for a plan."""

    def __init__(self, plan: ChatPlan) -> None:
        thoughts = plan.model.thoughts if plan.model.template is not None else None
        names = () if plan.calls is None else plan.calls.by_name
        self._stage = None
        if thoughts is not None:
            self._stage = thoughts.stage(
                is_thinking=plan.is_thinking,
                callable_names=names,
                special=plan.model.thought_markers,
                is_constrained=plan.grammar is not None,
            )
        parser = _call_parser(plan) or PlainParser()
        self._parser: AnswerParser = parser if self._stage is None else ThinkingParser(self._stage, parser)
        self._tokenizer = plan.model.tokenizer
        self._shown = plan.shown_token_ids
        self._token_ids: list[int] = []
        self._waiting: list[TokenLogprobs] = []

    @property
    def is_done(self) -> bool:
        """Whether nothing more of the answer is wanted."""
        return self._parser.is_done

    def events(self, output: SequenceOutput) -> list[Event]:
        """Return what is certain after the next event of the sequence."""
        if self._stage is not None:
            self._token_ids.extend(output.token_ids)
        # Without a stage, nothing asks which names are those of special tokens.
        events = self._parser.feed(plain(output.text) if self._stage is None else output.text)
        if output.is_last:
            events += self._parser.finish(is_cut=output.finish_reason == "length")
        return events

    def split(self, output: SequenceOutput) -> tuple[Sequence[TokenLogprobs], Sequence[TokenLogprobs]]:
        """Return the log-probabilities of content, and those of thoughts, as far as it is certain which are which."""
        if self._stage is None:
            return output.logprobs, ()
        self._waiting.extend(output.logprobs)
        stage, waiting = self._stage, self._waiting
        num_known = len(waiting)
        if not output.is_last:
            num_known = next((at for at, each in enumerate(waiting) if not stage.knows(each.text_offset)), num_known)
        known, self._waiting = waiting[:num_known], waiting[num_known:]
        is_content = [stage.is_content(each.text_offset) for each in known]
        return (
            [each for each, content in zip(known, is_content, strict=True) if content],
            [each for each, content in zip(known, is_content, strict=True) if not content],
        )

    @property
    def num_reasoning_tokens(self) -> int:
        """The number of tokens of thoughts and their markers."""
        if self._stage is None:
            return 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # as the detokenizer counts characters
        offset = num_tokens = 0
        for token_id in self._token_ids:
            num_tokens += not self._stage.is_content(offset)
            is_shown = token_id in self._shown
            named = self._tokenizer.token_name_bytes if is_shown else self._tokenizer.token_bytes
            offset += len(decoder.decode(named(token_id)))
        return num_tokens


def _call_parser(plan: ChatPlan) -> ToolCallParser | None:
    """Return what finds the calls of one answer, None where it may hold none."""
    calls = plan.calls
    if calls is None:
        return None
    tool_format = plan.model.tool_format
    return ToolCallParser(tool_format, calls.by_name, is_parallel=calls.is_parallel, is_forced=calls.is_forced)
