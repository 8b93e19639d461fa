"""How a response is answered: one object with its items, or the events by which it grows (hop 9)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from jan_ort.engine.events import SequenceOutput
from jan_ort.http import sse
from jan_ort.http.answering.answer import AnswerShape
from jan_ort.http.answering.chat_reader import ChatReader
from jan_ort.http.answering.logprobs import chat_tokens
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.api_error import ApiError
from jan_ort.http.responses.events import Chunk, OutputItems
from jan_ort.http.responses.items import Item, with_ids
from jan_ort.http.responses.reading import ResponsePlan
from jan_ort.http.responses.resource import asked_fields

Keep = Callable[[str, dict[str, Any], list[Item]], Awaitable[bool]]
"""Keeps a response by its id, with the items of its whole conversation; returns whether it could."""


class ResponseShape(AnswerShape):
    """The only choice's items. ``keep`` is called with the whole response, if it is to be kept."""

    stream_format = sse.NAMED_EVENTS

    def __init__(self, plan: ResponsePlan, run: GenerationRun, keep: Keep | None) -> None:
        self._plan = plan
        self._run = run
        self._keep = keep
        self._reader = ChatReader(plan)
        self._items = with_ids(plan.items, run.id)
        self._output = OutputItems(run.id, len(plan.items), is_summarized=plan.is_summarized, is_sealed=plan.is_sealed)
        self._asked = asked_fields(plan, is_stored=keep is not None)
        self._status = "in_progress"
        self._failure: ApiError | None = None
        self._completed_at: int | None = None
        self._num_sent = 0
        self._ending: list[Chunk] = []

    @property
    def is_complete(self) -> bool:
        """Whether it has ended."""
        return self._status != "in_progress"

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event."""
        return self._run.weight(output)

    def first_chunks(self) -> list[Chunk]:
        """Return that it was created, and is in progress."""
        kinds = ("created", "in_progress")
        return self._sent([{"type": f"response.{kind}", "response": self.resource()} for kind in kinds])

    def take(self, output: SequenceOutput) -> list[Chunk]:
        """Take the next event and return the stream's."""
        if self.is_complete:
            return []
        events = self._reader.events(output)
        content, _ = self._reader.split(output)
        chunks = self._output.add(events, chat_tokens(self._plan.model.tokenizer, content))
        if output.finish_reason is not None or self._reader.is_done:
            is_cut = output.finish_reason == "length"
            chunks += self._output.finish(is_cut=is_cut)
            self._status = "incomplete" if is_cut else "completed"
        return self._sent(chunks)

    def cancel(self) -> None:
        """End it with what there is."""
        if not self.is_complete:
            self._ending = self._output.finish(is_cut=True)
            self._status = "cancelled"
            self._run.wake()

    def forget(self) -> None:
        """Have it not kept."""
        self._keep, self._asked["store"] = None, False

    def input_items(self) -> list[Item]:
        """Return the items that it is generated from."""
        return list(self._items)

    async def complete(self) -> None:
        """Keep it, if it is to be kept."""
        self._run.num_reasoning_tokens = self._reader.num_reasoning_tokens
        self._completed_at = int(time.time()) if self._status == "completed" else None
        if self._keep is not None:
            response = self.resource()
            is_kept = await self._keep(self._run.id, response, [*self._items, *response["output"]])
            self._asked["store"] = is_kept and self._keep is not None  # it may have been deleted meanwhile

    def last_chunks(self) -> list[Chunk]:
        """Return how it ended, with all of it."""
        kind = "completed" if self._status == "completed" else "incomplete"
        return self._sent([*self._ending, {"type": f"response.{kind}", "response": self.resource()}])

    def failed_chunks(self, failure: ApiError) -> list[Chunk]:
        """Return that it has failed, and why."""
        self._failure, self._status, self._asked["store"] = failure, "failed", False
        return self._sent([{"type": "response.failed", "response": self.resource()}])

    def whole(self) -> dict[str, Any]:
        """Return the response that is not streamed."""
        return self.resource()

    def resource(self) -> dict[str, Any]:
        """Return the response as far as it has come."""
        failure = self._failure
        return {
            "id": self._run.id,
            "object": "response",
            "created_at": self._run.created,
            "completed_at": self._completed_at,
            "status": self._status,
            "error": None if failure is None else {"code": failure.code, "message": failure.message},
            "incomplete_details": {"reason": "max_output_tokens"} if self._status == "incomplete" else None,
            "output": [dict(item) for item in self._output.items],
            "usage": self._usage() if self.is_complete else None,
            **self._asked,
        }

    def _usage(self) -> dict[str, Any]:
        usage = self._run.usage
        return {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": usage["prompt_tokens_details"],
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": self._reader.num_reasoning_tokens},
            "total_tokens": usage["total_tokens"],
        }

    def _sent(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Return the chunks with their numbers."""
        numbered = [{**chunk, "sequence_number": self._num_sent + at} for at, chunk in enumerate(chunks)]
        self._num_sent += len(numbered)
        return numbered
