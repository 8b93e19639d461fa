"""How a chat is answered: messages of the assistant, whole or as deltas (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.engine.events import SequenceOutput
from jan_ort.http.answering.answer import AnswerShape
from jan_ort.http.answering.chat_answer import ChatAnswer
from jan_ort.http.answering.chat_reader import ChatReader
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.reading.chat import ChatPlan

_CHUNK = "chat.completion.chunk"


class ChatShape(AnswerShape):
    """A :class:`ChatAnswer` for each choice."""

    def __init__(self, plan: ChatPlan, run: GenerationRun) -> None:
        self._plan = plan
        self._run = run
        is_legacy = plan.calls is not None and plan.calls.is_legacy
        self._answers = [
            ChatAnswer(at, plan.model.tokenizer, ChatReader(plan), is_legacy=is_legacy)
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
        self._count_thoughts()
        return self._run.usage_chunks(_CHUNK)

    def whole(self) -> dict[str, Any]:
        """Return the ``chat.completion``."""
        self._count_thoughts()
        choices = (answer.whole(with_logprobs=self._plan.with_logprobs) for answer in self._answers)
        return self._run.envelope("chat.completion", choices) | {"usage": self._run.usage}

    def _count_thoughts(self) -> None:
        self._run.num_reasoning_tokens = sum(answer.num_reasoning_tokens for answer in self._answers)
