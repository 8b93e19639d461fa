"""A choice of a chat as the client gets it: content and calls, whole or as deltas (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.chat.reasoning import AnswerParser
from jan_ort.chat.tools import AssistantMessage, ContentDelta, Event, deltas
from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.http.answering.logprobs import chat_logprobs
from jan_ort.models.tokenizer import TextTokenizer


class ChatAnswer:
    """Reads one choice's events. With a parser, calls are looked for in its text."""

    def __init__(
        self, index: int, tokenizer: TextTokenizer, parser: AnswerParser | None = None, *, is_legacy: bool = False
    ) -> None:
        self._index = index
        self._tokenizer = tokenizer
        self._parser = parser
        self._is_legacy = is_legacy
        self._message = AssistantMessage(is_legacy=is_legacy)
        self._logprobs: list[TokenLogprobs] = []
        self._finish_reason: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is wanted of the choice: it has ended, or made the one call that it may make."""
        return self._finish_reason is not None

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return the stream's choices for it; the last one carries the finish reason."""
        if self.is_complete:
            return []
        events = self._events(output)
        self._message.add(events)
        self._logprobs.extend(output.logprobs)
        choices = [self._choice(delta) for delta in deltas(events, is_legacy=self._is_legacy)]
        if output.logprobs:
            choices = choices or [self._choice({"content": ""})]
            choices[0]["logprobs"] = chat_logprobs(self._tokenizer, output.logprobs)
        reason = "stop" if self._parser is not None and self._parser.is_done else output.finish_reason
        if reason is not None:
            self._finish_reason = self._message.finish_reason(reason)
            choices.append(self._choice({}, self._finish_reason))
        return choices

    def whole(self, *, with_logprobs: bool) -> dict[str, Any]:
        """Return the choice of a response that is not streamed."""
        return {
            "index": self._index,
            "message": {**self._message.message(), "refusal": None, "annotations": []},
            "logprobs": chat_logprobs(self._tokenizer, self._logprobs) if with_logprobs else None,
            "finish_reason": self._finish_reason,
        }

    def first_delta(self) -> dict[str, Any]:
        """Return the choice that begins a stream."""
        return self._choice({"role": "assistant"})

    def _events(self, output: SequenceOutput) -> list[Event]:
        if self._parser is None:
            return [ContentDelta(output.text)] if output.text else []
        events = self._parser.feed(output.text)
        return events + self._parser.finish() if output.is_last else events

    def _choice(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
