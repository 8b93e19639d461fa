"""One plan while the engine carries it out: its id, its events, and what they add up to (hops 4 and 9)."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.results import Sink, run
from jan_ort.ground.shown_text import quoted
from jan_ort.http.asker import asker_fields, current_owner, current_trace, logged_asker
from jan_ort.http.reading.plan import GenerationPlan
from jan_ort.http.tracing import TracedRun

logger = logging.getLogger(__name__)


class GenerationRun:
    """Submits a plan and counts what comes; ``prefix`` begins the id, of 128 random bits.

    ``on_end`` is called once every sequence has ended, though a slow client may still read.
    """

    def __init__(self, plan: GenerationPlan, prefix: str, on_end: Callable[[], None]) -> None:
        self.plan = plan
        self._on_end = on_end
        self._owner = current_owner()
        self.id = f"{prefix}{secrets.token_hex(16)}"
        self.created = int(time.time())
        weights = plan.model.weights_hash
        self._fingerprint = None if weights is None else f"fp_{weights[:16]}"
        self._num_prompt_tokens = sum(len(token_ids) for token_ids in plan.prompts)
        self._num_cached_tokens = [0] * (len(plan.prompts) * plan.num_choices)
        self._num_completion_tokens = 0
        self._ends: set[str] = set()
        self.num_reasoning_tokens: int | None = None
        """Tokens of thoughts, of answers that may have some; whoever reads them counts."""
        self._started = time.perf_counter()
        self._first_token_s: float | None = None
        self._placed_at: float | None = None
        self._trace = current_trace()
        self._sink: _EndingSink | None = None

    async def outputs(
        self, *, each_token: bool, ping_interval_s: float | None = None
    ) -> AsyncGenerator[list[SequenceOutput], None]:
        """Submit the plan, yield [], and then its events: each token's, or one at the end of each choice.

        As ``engine.results.run``, which raises what ended it early. Closing aborts what is not over.
        """
        failure: Exception | None = None
        try:
            async with aclosing(
                run(self.plan.model.engine, self._request(stream=each_token), ping_interval_s=ping_interval_s)
            ) as results:
                async for outputs in results:
                    for output in outputs:
                        self._count(output)
                    yield outputs
        except Exception as error:
            failure = error
            raise
        finally:
            if self._trace is not None:
                self._trace.write(self._traced(failure))

    def wake(self) -> None:
        """Have whoever reads the events look again whether more is wanted, though nothing has come."""
        if self._sink is not None:
            self._sink.put_nowait(SequenceOutput(0, "", num_cached_tokens=self._num_cached_tokens[0]))

    @property
    def usage(self) -> dict[str, Any]:
        """The usage object: each prompt counts once, however many choices it has."""
        cached = sum(self._num_cached_tokens[:: self.plan.num_choices])
        thought = self.num_reasoning_tokens
        details = {} if thought is None else {"completion_tokens_details": {"reasoning_tokens": thought}}
        return {
            "prompt_tokens": self._num_prompt_tokens,
            "completion_tokens": self._num_completion_tokens,
            "total_tokens": self._num_prompt_tokens + self._num_completion_tokens,
            "prompt_tokens_details": {"cached_tokens": cached, **self._image_tokens},
            **details,
        }

    @property
    def _image_tokens(self) -> dict[str, int]:
        """Return how many of the prompt's tokens are an image's, of a model that reads images."""
        if self.plan.model.images is None:
            return {}
        return {"image_tokens": sum(len(run.vectors) for run in self.plan.embedded.values())}

    @property
    def seconds(self) -> tuple[float, float]:
        """The seconds since it began, and those until its first token."""
        elapsed = time.perf_counter() - self._started
        return elapsed, elapsed if self._first_token_s is None else self._first_token_s

    def weight(self, output: SequenceOutput) -> int:
        """Return about how many values an event's text and log-probabilities are in an answer."""
        num_values = 4 + len(output.text) // 4  # a parser of calls looks at each character
        if output.logprobs:
            num_values += len(output.logprobs) * (4 + (self.plan.params[0].logprobs or 0))
        return num_values

    def envelope(self, kind: str, choices: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Return a response object or a chunk around ``choices``."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.plan.model.name,
            "system_fingerprint": self._fingerprint,
            "choices": choices,
        }

    def usage_chunks(self, kind: str) -> list[dict[str, Any]]:
        """Return the chunk with the usage that ends a stream, where the request wants one."""
        return [self.envelope(kind, []) | {"usage": self.usage}] if self.plan.with_usage else []

    def log(self) -> None:
        """Log the line of a request that has been answered."""
        elapsed, first_s = self.seconds
        usage = self.usage
        logger.info(
            "%s: %s, %d prompt tokens (%d cached), %d completion tokens, first after %.3f s, %.1f tokens/s, %s%s%s",
            self.id,
            self.plan.model.name,
            usage["prompt_tokens"],
            usage["prompt_tokens_details"]["cached_tokens"],
            usage["completion_tokens"],
            first_s,
            usage["completion_tokens"] / elapsed,
            " ".join(sorted(self._ends)),
            f", user {quoted(self.plan.user)}" if self.plan.user else "",
            logged_asker(),
            extra={
                "fields": {
                    "request": self.id,
                    "model": self.plan.model.name,
                    "prompt_tokens": usage["prompt_tokens"],
                    "cached_tokens": usage["prompt_tokens_details"]["cached_tokens"],
                    "completion_tokens": usage["completion_tokens"],
                    "first_token_s": round(first_s, 4),
                    "tokens_per_s": round(usage["completion_tokens"] / elapsed, 2),
                    "finish_reasons": sorted(self._ends),
                    **asker_fields(),
                }
            },
        )

    def _traced(self, failure: Exception | None) -> TracedRun:
        params, first_s, usage = self.plan.params[0], self._first_token_s, self.usage
        return TracedRun(
            id=self.id,
            operation="text_completion" if self.id.startswith("cmpl-") else "chat",
            model=self.plan.model.name,
            started_at=self._started,
            placed_at=self._placed_at,
            first_token_at=None if first_s is None else self._started + first_s,
            num_prompt_tokens=usage["prompt_tokens"],
            num_cached_tokens=usage["prompt_tokens_details"]["cached_tokens"],
            num_completion_tokens=usage["completion_tokens"],
            finish_reasons=tuple(sorted(self._ends)),
            max_tokens=params.max_tokens,
            temperature=params.temperature,
            top_p=params.top_p,
            failure=failure,
        )

    def _request(self, *, stream: bool) -> GenerationRequest:
        plan = self.plan
        prompts = tuple(
            Prompt(
                token_ids,
                at * plan.num_choices + choice,
                plan.params[at],
                choice,
                plan.grammar,
                plan.shown_token_ids,
                plan.embedded,
            )
            for at, token_ids in enumerate(plan.prompts)
            for choice in range(plan.num_choices)
        )
        self._sink = _EndingSink(len(prompts), self._on_end)
        scope = "" if plan.model.share_prefixes else self._owner
        return GenerationRequest(self.id, prompts, self._sink, stream, plan.prompt_logprobs, self._owner, scope)

    def _count(self, output: SequenceOutput) -> None:
        if self._first_token_s is None and output.first_token_at is not None:
            self._first_token_s = output.first_token_at - self._started
        if self._placed_at is None:
            self._placed_at = output.placed_at
        self._num_completion_tokens += len(output.token_ids)
        if output.finish_reason is not None:
            self._ends.add(output.finish_reason)
        self._num_cached_tokens[output.index] = output.num_cached_tokens


class _EndingSink(Sink):
    """Calls ``on_end`` as soon as the last event has come, whenever that is read."""

    def __init__(self, num_sequences: int, on_end: Callable[[], None]) -> None:
        super().__init__()
        self._num_running = num_sequences
        self._on_end = on_end

    def put_nowait(self, item: SequenceOutput) -> None:
        super().put_nowait(item)
        self._num_running -= item.is_last
        if not self._num_running:
            self._on_end()
