"""A plan's answer, whole or as a stream, in the shape of whatever protocol asked (hops 4 and 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Protocol

from quart import Response, jsonify

from jan_ort.engine.events import SequenceOutput
from jan_ort.http import sse
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.connection import AnswerCut, at_end
from jan_ort.http.error_table import to_api_error


class AnswerShape(Protocol):
    """How a protocol writes the events of a run: whole, or as the chunks of a stream."""

    @property
    def is_complete(self) -> bool:
        """Whether no more needs to be generated, although no sequence has to have ended."""
        ...

    def first_chunks(self) -> list[dict[str, Any]]:
        """Return what a stream begins with, before anything is generated."""
        ...

    def take(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Take the next event and return its chunks; whoever answers whole leaves them."""
        ...

    def last_chunks(self) -> list[dict[str, Any]]:
        """Return what a stream ends with, after all that was generated."""
        ...

    def whole(self) -> dict[str, Any]:
        """Return the answer that is not streamed, of all that was taken."""
        ...


async def answer(run: GenerationRun, shape: AnswerShape) -> Response:
    """Answer as the plan wants it. Raises: QueueFull, EngineStopped; not streamed, all that can end a sequence."""
    return await (_stream if run.plan.is_stream else _whole)(run, shape)


async def _whole(run: GenerationRun, shape: AnswerShape) -> Response:
    async with aclosing(run.outputs(each_token=run.plan.is_piecewise)) as results:
        async for outputs in results:
            for output in outputs:
                shape.take(output)
            if shape.is_complete:
                break
    run.log()
    return jsonify(shape.whole())


async def _stream(run: GenerationRun, shape: AnswerShape) -> Response:
    results = run.outputs(each_token=True, ping_interval_s=sse.PING_INTERVAL_S)
    await anext(results)  # the engine has it now, or this raised while the answer can still be an error
    at_end(results.aclose)  # a client that goes before the first frame leaves the frames' generator unbegun
    response = Response(_frames(run, shape, results), headers=sse.HEADERS)
    response.timeout = None  # the default cuts a stream after a minute, silently
    return response


async def _frames(
    run: GenerationRun, shape: AnswerShape, results: AsyncGenerator[Sequence[SequenceOutput], None]
) -> AsyncIterator[bytes]:
    try:
        if first := shape.first_chunks():
            yield b"".join(map(sse.frame, first))
        async for outputs in results:
            frames = [sse.frame(chunk) for output in outputs for chunk in shape.take(output)]
            if frames or not outputs:
                yield b"".join(frames) or sse.PING
            if shape.is_complete:
                break
        yield b"".join(map(sse.frame, shape.last_chunks())) + sse.DONE
        run.log()
    except Exception as error:
        yield sse.frame(to_api_error(error).body)  # and no [DONE], which some clients take for success
        raise AnswerCut from error
    finally:
        # Whoever closes this stream closes the engine's too: an abort must not wait for the garbage collector.
        await asyncio.shield(results.aclose())
