"""How Ollama's API answers: lines with pieces, or one object; the last says what it took (hop 9)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from jan_ort.chat.tools import ArgumentsDelta, ContentDelta, Event, ReasoningDelta, ToolCallEnd, ToolCallStart
from jan_ort.engine.events import SequenceOutput
from jan_ort.http.answering.answer import AnswerShape
from jan_ort.http.answering.call_arguments import arguments_of
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.api_error import ApiError
from jan_ort.http.ollama.wire import error_body, lines, timestamp

Said = Callable[[str, str, list[dict[str, Any]]], dict[str, Any]]
"""Makes what an object says of a text, a thought and calls."""


class Reader(Protocol):
    """Reads the events of an answer."""

    @property
    def is_done(self) -> bool:
        """Whether nothing more is wanted."""
        ...

    def events(self, output: SequenceOutput) -> Sequence[Event]:
        """Return what is certain after the next event of the sequence."""
        ...


class TextReader:
    """Reads an answer that is text and nothing else."""

    is_done = False

    def events(self, output: SequenceOutput) -> Sequence[Event]:
        """Return the text that came."""
        return [ContentDelta(output.text)] if output.text else []


def as_message(text: str, thought: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a chat's object says."""
    message: dict[str, Any] = {"role": "assistant", "content": text}
    message |= {"thinking": thought} if thought else {}
    return {"message": message | ({"tool_calls": calls} if calls else {})}


def as_response(text: str, thought: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the object of a prompt's answer says, which has no calls."""
    return {"response": text} | ({"thinking": thought} if thought else {})


class OllamaShape(AnswerShape):
    """The one answer of a chat or a prompt; ``load_s`` is how long its model was waited for."""

    def __init__(self, run: GenerationRun, reader: Reader, said: Said, load_s: float) -> None:
        self._run = run
        self._reader = reader
        self._said = said
        self._load_s = load_s
        self._text: list[str] = []
        self._thought: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._arguments: list[str] = []
        self._call: ToolCallStart | None = None
        self._reason: str | None = None
        self.stream_format = lines(self._chunk("", "", []))

    @property
    def is_complete(self) -> bool:
        """Whether the answer has ended."""
        return self._reason is not None

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event."""
        return self._run.weight(output)

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return nothing: the first piece of text begins the stream."""
        return []

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return its lines."""
        if self.is_complete:
            return []
        chunks = [chunk for event in self._reader.events(output) for chunk in self._of(event)]
        if output.is_last or self._reader.is_done:
            self._reason = output.finish_reason or "stop"
            chunks += self._end_call()
        return chunks

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return the line that says what it took."""
        return [self._chunk("", "", []) | self._end()]

    def failed_chunks(self, failure: ApiError) -> list[dict[str, Any]]:
        """Return the line of an error."""
        return [error_body(failure)]

    def whole(self) -> dict[str, Any]:
        """Return the object."""
        return self._chunk("".join(self._text), "".join(self._thought), self._calls) | self._end()

    def _of(self, event: Event) -> list[dict[str, Any]]:
        match event:
            case ContentDelta(text=text):
                self._text.append(text)
                return [*self._end_call(), self._chunk(text, "", [])]
            case ReasoningDelta(text=text):
                self._thought.append(text)
                return [self._chunk("", text, [])]
            case ToolCallStart():
                ended = self._end_call()
                self._call = event
                return ended
            case ArgumentsDelta(text=text):
                self._arguments.append(text)
                return []
            case ToolCallEnd():
                return self._end_call()

    def _end_call(self) -> list[dict[str, Any]]:
        """Return the line of the call that is open, if one is: whole, for its arguments are an object."""
        if self._call is None:
            return []
        function = {"index": len(self._calls), "name": self._call.name}
        call = {"id": self._call.id, "function": function | {"arguments": arguments_of("".join(self._arguments))}}
        self._calls.append(call)
        self._call, self._arguments = None, []
        return [self._chunk("", "", [call])]

    def _chunk(self, text: str, thought: str, calls: list[dict[str, Any]]) -> dict[str, Any]:
        head = {"model": self._run.plan.model.name, "created_at": timestamp()}
        return head | self._said(text, thought, calls) | {"done": False}

    def _end(self) -> dict[str, Any]:
        usage, (elapsed, first) = self._run.usage, self._run.seconds
        return {
            "done": True,
            "done_reason": self._reason,
            "total_duration": _nanoseconds(elapsed + self._load_s),
            "load_duration": _nanoseconds(self._load_s),
            "prompt_eval_count": usage["prompt_tokens"],
            "prompt_eval_duration": _nanoseconds(first),
            "eval_count": usage["completion_tokens"],
            "eval_duration": _nanoseconds(elapsed - first),
        }


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
