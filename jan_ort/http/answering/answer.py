"""A plan's answer, whole or as a stream, in the shape of whatever protocol asked (hops 4 and 9)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from quart import Response

from jan_ort.engine.events import SequenceOutput
from jan_ort.http import sse
from jan_ort.http.answering.json_answer import LARGE, beside, json_answer
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.http.bug_records.failed_requests import Note, failure_note
from jan_ort.http.connection import AnswerCut, at_end
from jan_ort.http.error_table import to_api_error
from jan_ort.http.sse import StreamFormat

MAX_LOGPROBS_HELD = 2**23
"""Log-probabilities of an answer that is not streamed: each takes about a hundred bytes until all are there."""


class AnswerShape(Protocol):
    """How a protocol writes the events of a run: whole, or as the chunks of a stream."""

    stream_format: StreamFormat = sse.UNNAMED_EVENTS

    @property
    def is_complete(self) -> bool:
        """Whether no more needs to be generated, although no sequence has to have ended."""
        ...

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values the answer holds of an event: which is not yet taken."""
        ...

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return what a stream begins with, before anything is generated."""
        ...

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return its chunks; whoever answers whole leaves them."""
        ...

    async def complete(self) -> None:
        """Do what is to be done once all is taken, before the answer's end is told: for most, nothing."""
        return

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return what a stream ends with, after all that was generated."""
        ...

    def failed_chunks(self, failure: ApiError) -> list[dict[str, Any]]:
        """Return what a stream ends with that has failed; it is cut after that."""
        return [failure.body]

    def whole(self) -> dict[str, Any]:
        """Return the answer that is not streamed, of all that was taken, for ``json_answer``."""
        ...


async def answer(run: GenerationRun, shape: AnswerShape) -> Response:
    """Answer as the plan wants it. Raises: QueueFull, EngineStopped; not streamed, all that can end a sequence."""
    return await (_stream if run.plan.is_stream else _whole)(run, shape)


async def _whole(run: GenerationRun, shape: AnswerShape) -> Response:
    weight = 0
    async with aclosing(run.outputs(each_token=run.plan.is_piecewise)) as results:
        async for outputs in results:
            more = sum(map(shape.weight, outputs))
            await beside(more, lambda: [shape.take(each) for each in outputs])  # noqa: B023  (awaited at once)
            weight += more
            if weight > MAX_LOGPROBS_HELD and run.plan.with_logprobs:
                raise _too_large(weight)
            if shape.is_complete:
                break
    run.log()
    await shape.complete()
    return await json_answer(shape.whole, weight)


def _too_large(weight: int) -> ApiError:
    message = (
        f"the answer has more than {weight} log-probabilities; at most {MAX_LOGPROBS_HELD} are allowed without stream"
    )
    return bad_request("logprobs", f"{message}: lower n, max_tokens or the number of alternatives, or set stream")


async def _stream(run: GenerationRun, shape: AnswerShape) -> Response:
    results = run.outputs(each_token=True, ping_interval_s=sse.PING_INTERVAL_S)
    await anext(results)  # the engine has it now, or this raised while the answer can still be an error
    at_end(results.aclose)  # a client that goes before the first frame leaves the frames' generator unbegun
    response = Response(_frames(run, shape, results, failure_note()), headers=dict(shape.stream_format.headers))
    response.timeout = None  # the default cuts a stream after a minute, silently
    return response


async def _frames(
    run: GenerationRun, shape: AnswerShape, results: AsyncGenerator[Sequence[SequenceOutput], None], note: Note
) -> AsyncIterator[bytes]:
    written = shape.stream_format
    try:
        yield b"".join(map(written.frame, shape.first_chunks()))  # nothing, too: the answer's head goes out with it
        sent_at = time.monotonic()
        async for outputs in results:
            if len(outputs) == 1 and shape.weight(outputs[0]) < LARGE:  # the usual case, as quick as can be
                frames = _frames_of(shape, outputs)
            else:
                frames = await beside(sum(map(shape.weight, outputs)), partial(_frames_of, shape, outputs))
            # Events may have nothing to show for long, as the text of a call whose end is not there yet.
            if frames or not outputs or time.monotonic() - sent_at > sse.PING_INTERVAL_S:
                yield frames or written.ping
                sent_at = time.monotonic()
            if shape.is_complete:
                break
        await shape.complete()
        yield b"".join(map(written.frame, shape.last_chunks())) + written.end
        run.log()
    except Exception as error:
        failure = to_api_error(error)
        note(failure)
        # and no end, which some clients take for success
        yield b"".join(map(written.frame, shape.failed_chunks(failure)))
        raise AnswerCut from error
    finally:
        # Whoever closes this stream closes the engine's too: an abort must not wait for the garbage collector.
        await asyncio.shield(results.aclose())


def _frames_of(shape: AnswerShape, outputs: Sequence[SequenceOutput]) -> bytes:
    return b"".join([shape.stream_format.frame(chunk) for output in outputs for chunk in shape.take(output)])
