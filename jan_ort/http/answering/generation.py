"""What completions and chat share: from prompts to choices, as one body or as a stream (hops 3, 4 and 9)."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from quart import Response

from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.results import run
from jan_ort.http import sse
from jan_ort.http.errors import bad_request, to_api_error
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.served import GenerativeModel

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar

logger = logging.getLogger(__name__)


class Job:
    """One request for completions: ``num_choices`` choices of each prompt, index = prompt x num_choices + choice.

    Raises: ApiError 400 for a prompt with a token that the tokenizer has and the model has not.
    """

    def __init__(
        self,
        model: GenerativeModel,
        prompts: Sequence[NDArray[np.int64]],
        num_choices: int,
        params: Sequence[SamplingParams],
        *,
        kind: str,
        user: str | None,
        grammar: CompiledGrammar | None = None,
        prompt_logprobs: bool = False,
        shown_token_ids: frozenset[int] = frozenset(),
    ) -> None:
        _check_known(model, prompts, "messages" if kind == "chatcmpl" else "prompt")
        self.id = f"{kind}-{uuid.uuid4().hex}"
        self.model = model
        self.created = int(time.time())
        self._prompts = [
            Prompt(token_ids, at * num_choices + choice, params[at], choice, grammar, shown_token_ids)
            for at, token_ids in enumerate(prompts)
            for choice in range(num_choices)
        ]
        self._num_prompt_tokens = sum(len(token_ids) for token_ids in prompts)
        self._num_cached_tokens = [0] * len(self._prompts)
        self._num_completion_tokens = 0
        self._num_choices = num_choices
        self._user = user
        self._prompt_logprobs = prompt_logprobs
        self._started = time.perf_counter()
        self._first_token_s: float | None = None

    async def collect(
        self,
        take: Callable[[SequenceOutput], object],
        *,
        is_complete: Callable[[], bool] = lambda: False,
        piecewise: bool = False,
    ) -> None:
        """Run the request to its end; ``usage`` is complete then. Raises: what ended it early.

        ``take`` is given each event: one at the end of each choice, or with ``piecewise`` each token's. Once
        ``is_complete`` says so, no more is generated.
        """
        async with aclosing(run(self.model.engine, self._request(stream=piecewise))) as results:
            async for outputs in results:
                for output in outputs:
                    self._note(output)
                    take(output)
                if is_complete():
                    break
        self._log()

    async def stream(
        self,
        to_frames: Callable[[SequenceOutput], list[dict[str, Any]]],
        *,
        before: Sequence[dict[str, Any]] = (),
        after: Callable[[], list[dict[str, Any]]] = list,
        is_complete: Callable[[], bool] = lambda: False,
    ) -> Response:
        """Return the event stream of the request, once the engine has taken it. Raises: QueueFull, EngineStopped.

        ``to_frames`` turns an event into chunks; ``before`` and ``after`` are the chunks around them. Once
        ``is_complete`` says so, no more is generated.
        """
        results = run(self.model.engine, self._request(stream=True), ping_interval_s=sse.PING_INTERVAL_S)
        await anext(results)  # the engine has it now, or this raised while the answer can still be an error
        response = Response(self._frames(results, to_frames, before, after, is_complete), headers=sse.HEADERS)
        response.timeout = None  # the default cuts a stream after a minute, silently
        return response

    async def _frames(
        self,
        results: AsyncGenerator[list[SequenceOutput], None],
        to_frames: Callable[[SequenceOutput], list[dict[str, Any]]],
        before: Sequence[dict[str, Any]],
        after: Callable[[], list[dict[str, Any]]],
        is_complete: Callable[[], bool],
    ) -> AsyncIterator[bytes]:
        try:
            if before:
                yield b"".join(map(sse.frame, before))
            async for outputs in results:
                for output in outputs:
                    self._note(output)
                frames = [sse.frame(chunk) for output in outputs for chunk in to_frames(output)]
                if frames or not outputs:
                    yield b"".join(frames) or sse.PING
                if is_complete():
                    break
            yield b"".join(map(sse.frame, after())) + sse.DONE
            self._log()
        except Exception as error:
            yield sse.frame(to_api_error(error).body) + sse.DONE
        finally:
            # Whoever closes this stream closes the engine's too: an abort must not wait for the garbage collector.
            await asyncio.shield(results.aclose())

    @property
    def usage(self) -> dict[str, Any]:
        """The usage object: each prompt counts once, however many choices it has."""
        cached = sum(self._num_cached_tokens[:: self._num_choices])
        return {
            "prompt_tokens": self._num_prompt_tokens,
            "completion_tokens": self._num_completion_tokens,
            "total_tokens": self._num_prompt_tokens + self._num_completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached},
        }

    def envelope(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a response object or a chunk around ``choices``."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model.name,
            "choices": choices,
        }

    def _request(self, *, stream: bool) -> GenerationRequest:
        return GenerationRequest(self.id, tuple(self._prompts), asyncio.Queue(), stream, self._prompt_logprobs)

    def _note(self, output: SequenceOutput) -> None:
        if self._first_token_s is None and output.first_token_at is not None:
            self._first_token_s = output.first_token_at - self._started
        self._num_completion_tokens += len(output.token_ids)
        self._num_cached_tokens[output.index] = output.num_cached_tokens

    def _log(self) -> None:
        elapsed = time.perf_counter() - self._started
        usage = self.usage
        logger.info(
            "%s: %d prompt tokens (%d cached), %d completion tokens, first after %.3f s, %.1f tokens/s%s",
            self.id,
            usage["prompt_tokens"],
            usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens"],
            self._first_token_s or elapsed,
            usage["completion_tokens"] / elapsed,
            f", user {self._user!r}" if self._user else "",
        )


def _check_known(model: GenerativeModel, prompts: Sequence[NDArray[np.int64]], param: str) -> None:
    for token_ids in prompts:
        largest = int(token_ids.max(initial=0))
        if largest >= model.vocab_size:
            name = model.tokenizer.token_text(largest)
            raise bad_request(
                param,
                f"{name!r} is token {largest} of tokenizer.json, and the model has {model.vocab_size}: leave it out",
            )
