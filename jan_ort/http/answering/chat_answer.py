"""A choice of a chat as the client gets it: thoughts, content and calls, whole or as deltas (hop 9)."""

from __future__ import annotations

from typing import Any

from jan_ort.chat.tools import AssistantMessage, deltas
from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.http.answering.chat_reader import ChatReader
from jan_ort.http.answering.logprobs import chat_logprobs
from jan_ort.models.tokenizer import TextTokenizer


class ChatAnswer:
    """Writes one choice's events, as ``reader`` reads them."""

    def __init__(self, index: int, tokenizer: TextTokenizer, reader: ChatReader, *, is_legacy: bool = False) -> None:
        self._index = index
        self._tokenizer = tokenizer
        self._reader = reader
        self._is_legacy = is_legacy
        self._message = AssistantMessage(is_legacy=is_legacy)
        self._logprobs: list[TokenLogprobs] = []
        self._thought_logprobs: list[TokenLogprobs] = []
        self._finish_reason: str | None = None

    @property
    def is_complete(self) -> bool:
        """Whether nothing more is wanted of the choice: it has ended, or made the one call that it may make."""
        return self._finish_reason is not None

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return the stream's choices for it; the last one carries the finish reason."""
        if self.is_complete:
            return []
        events = self._reader.events(output)
        self._message.add(events)
        choices = [self._choice(delta) for delta in deltas(events, is_legacy=self._is_legacy)]
        content, thought = self._reader.split(output)
        self._logprobs.extend(content)
        self._thought_logprobs.extend(thought)
        if content or thought:
            choices = choices or [self._choice({"content": ""})]
            choices[0]["logprobs"] = chat_logprobs(self._tokenizer, content, thought)
        reason = output.finish_reason or ("stop" if self._reader.is_done else None)
        if reason is not None:
            self._finish_reason = self._message.finish_reason(reason)
            choices.append(self._choice({}, self._finish_reason))
        return choices

    def whole(self, *, with_logprobs: bool) -> dict[str, Any]:
        """Return the choice of a response that is not streamed."""
        return {
            "index": self._index,
            "message": {**self._message.message(), "refusal": None, "annotations": []},
            "logprobs": chat_logprobs(self._tokenizer, self._logprobs, self._thought_logprobs)
            if with_logprobs
            else None,
            "finish_reason": self._finish_reason,
        }

    @property
    def num_reasoning_tokens(self) -> int:
        """The number of tokens of thoughts."""
        return self._reader.num_reasoning_tokens

    def first_delta(self) -> dict[str, Any]:
        """Return the choice that begins a stream."""
        return self._choice({"role": "assistant"})

    def _choice(self, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return {"index": self._index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
