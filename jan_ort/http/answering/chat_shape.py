"""How a chat is answered: messages of the assistant, whole or as deltas (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.chat.reasoning import AnswerParser, ReasoningStage, ThinkingParser
from jan_ort.chat.tools import ToolCallParser
from jan_ort.engine.events import SequenceOutput
from jan_ort.http.answering.chat_answer import ChatAnswer
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.reading.chat import ChatPlan

_CHUNK = "chat.completion.chunk"


class ChatShape:
    """An :class:`~jan_ort.http.answering.answer.AnswerShape`: one :class:`ChatAnswer` a choice."""

    def __init__(self, plan: ChatPlan, run: GenerationRun) -> None:
        self._plan = plan
        self._run = run
        is_legacy = plan.calls is not None and plan.calls.is_legacy
        self._answers = [
            ChatAnswer(at, plan.model.tokenizer, _new_parser(plan), is_legacy=is_legacy)
            for at in range(plan.num_choices)
        ]

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is wanted of any choice."""
        return all(answer.is_complete for answer in self._answers)

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event."""
        return self._run.weight(output)

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return a chunk a choice that says who speaks."""
        return [self._run.envelope(_CHUNK, [answer.first_delta()]) for answer in self._answers]

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event of a choice and return its chunks."""
        return [self._run.envelope(_CHUNK, [choice]) for choice in self._answers[output.index].take(output)]

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return the chunk with the usage, if it is wanted."""
        return self._run.usage_chunks(_CHUNK)

    def whole(self) -> dict[str, Any]:
        """Return the ``chat.completion``."""
        choices = (answer.whole(with_logprobs=self._plan.with_logprobs) for answer in self._answers)
        return self._run.envelope("chat.completion", choices) | {"usage": self._run.usage}


def _new_parser(plan: ChatPlan) -> AnswerParser | None:
    """Return what finds the calls of one answer; a forced one begins with its call, so that it holds no thought."""
    calls, model = plan.calls, plan.model
    if calls is None:
        return None
    parser = ToolCallParser(model.tool_format, calls.by_name, is_parallel=calls.is_parallel, is_forced=calls.is_forced)
    if model.thoughts is None or calls.is_forced:
        return parser
    stage = ReasoningStage(model.thoughts, is_thinking=plan.is_thinking, hidden=model.thought_markers)
    return ThinkingParser(stage, parser)
