"""How a chat is answered: messages of the assistant, whole or as deltas (hop 9)."""

from __future__ import annotations

from typing import Any

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
        tool_format = None if plan.calls is None else plan.model.template_tools.tool_format
        self._answers = [
            ChatAnswer(at, plan.model.tokenizer, plan.calls, tool_format) for at in range(plan.num_choices)
        ]

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is wanted of any choice."""
        return all(answer.is_complete for answer in self._answers)

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
        choices = [answer.whole(with_logprobs=self._plan.with_logprobs) for answer in self._answers]
        return self._run.envelope("chat.completion", choices) | {"usage": self._run.usage}
