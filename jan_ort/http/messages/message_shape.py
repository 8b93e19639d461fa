"""How a message is answered: blocks of content, whole or as named events (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.engine.events import SequenceOutput
from jan_ort.http.answering.answer import AnswerShape
from jan_ort.http.answering.chat_reader import ChatReader
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.api_error import ApiError
from jan_ort.http.messages.content_blocks import ContentBlocks
from jan_ort.http.messages.wire import EVENTS, PING, error_body
from jan_ort.http.reading.chat import ChatPlan


class MessageShape(AnswerShape):
    """The one answer that a message has."""

    stream_format = EVENTS

    def __init__(self, plan: ChatPlan, run: GenerationRun) -> None:
        self._run = run
        self._reader = ChatReader(plan)
        self._blocks = ContentBlocks()
        self._end: dict[str, Any] = {"stop_reason": None, "stop_sequence": None}

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended, or made the one call that it may make."""
        return self._end["stop_reason"] is not None

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event."""
        return self._run.weight(output)

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return the empty message, and a ping: a prompt may take long."""
        return [{"type": "message_start", "message": self._message([])}, PING]

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return the stream's events for it."""
        if self.is_complete:
            return []
        chunks = self._blocks.add(self._reader.events(output))
        if output.is_last or self._reader.is_done:
            self._end = self._ended(output)
            chunks += self._blocks.close()
        return chunks

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return why the answer ended and what it took, and the end."""
        delta = {**self._end, "stop_details": None, "container": None}
        return [{"type": "message_delta", "delta": delta, "usage": self._usage()}, {"type": "message_stop"}]

    def failed_chunks(self, failure: ApiError) -> list[dict[str, Any]]:
        """Return the event of an error."""
        return [error_body(failure)]

    def whole(self) -> dict[str, Any]:
        """Return the message."""
        return self._message(self._blocks.whole())

    def _ended(self, output: SequenceOutput) -> dict[str, Any]:
        reason = "end_turn"
        if output.finish_reason == "length":
            reason = "max_tokens"
        elif output.stop_string is not None:
            reason = "stop_sequence"
        elif self._blocks.num_complete_calls:
            reason = "tool_use"
        return {"stop_reason": reason, "stop_sequence": output.stop_string}

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._run.id,
            "type": "message",
            "role": "assistant",
            "model": self._run.plan.model.name,
            "content": content,
            **self._end,
            "stop_details": None,
            "container": None,
            "usage": self._usage(),
        }

    def _usage(self) -> dict[str, Any]:
        self._run.num_reasoning_tokens = thought = self._reader.num_reasoning_tokens
        usage = self._run.usage
        return {
            "input_tokens": usage["prompt_tokens"],  # with what is cached: as many as count_tokens says
            "output_tokens": usage["completion_tokens"],
            "cache_creation": None,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
            "inference_geo": None,
            "server_tool_use": None,
            "service_tier": "standard",
            "output_tokens_details": {"thinking_tokens": thought},
        }
