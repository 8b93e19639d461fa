"""POST /v1/completions: continue prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quart import Response, jsonify

from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.http.answering.echo import EchoedPrompt
from jan_ort.http.answering.generation import Job
from jan_ort.http.answering.logprobs import completion_logprobs
from jan_ort.http.errors import bad_request, unsupported
from jan_ort.http.reading.fields import num_candidates, num_choices, sampling_params, wants_usage
from jan_ort.http.reading.prompts import encode_prompts, prompt_texts, starting_token
from jan_ort.http.reading.structure import compile_structure
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.served import GenerativeModel
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateCompletionRequest

_OBJECT = "text_completion"


@dataclass(slots=True)
class Choice:
    """What has come so far for one choice."""

    text: list[str] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    finish_reason: str | None = None

    def add(self, output: SequenceOutput) -> None:
        """Take the sequence's next event."""
        self.text.append(output.text)
        self.logprobs.extend(output.logprobs)
        self.finish_reason = output.finish_reason


async def create_completion(server: Server, body: CreateCompletionRequest) -> Response:
    """Answer with n choices for each prompt."""
    async with server.for_generation(body.model) as model:
        return await _answer(model, body)


async def _answer(model: GenerativeModel, body: CreateCompletionRequest) -> Response:
    with_usage = wants_usage(body)
    given = [each if len(each) else starting_token(model) for each in await _encoded(model, body)]
    prompts = _around_gap(model, body, given, body.suffix) if body.suffix else given
    n = num_choices(body, num_prompts=len(prompts))
    best_of = num_candidates(body, n, num_prompts=len(prompts))
    params = [
        sampling_params(body, model, max_tokens=body.max_tokens, num_prompt=len(token_ids)) for token_ids in prompts
    ]
    job = Job(
        model,
        prompts,
        best_of,
        [_ranked(each) for each in params] if best_of > n else params,
        kind="cmpl",
        user=body.user,
        grammar=await compile_structure(model, body),
        prompt_logprobs=body.echo and body.logprobs is not None,
    )
    shown = _Shown(model, body, _echoes(model, body, given), best_of)
    if body.stream:
        return await job.stream(
            lambda output: [job.envelope(_OBJECT, [choice]) for choice in shown.deltas(output)],
            after=lambda: [job.envelope(_OBJECT, []) | {"usage": job.usage}] if with_usage else [],
        )
    choices = [Choice() for _ in range(len(prompts) * best_of)]
    await job.collect(lambda output: choices[output.index].add(output))
    kept = [at for first in range(0, len(choices), best_of) for at in shown.best(choices, first, n)]
    best = [shown.choice(choices[at], at) | {"index": index} for index, at in enumerate(kept)]
    return jsonify(job.envelope(_OBJECT, best) | {"usage": job.usage})


async def _encoded(model: GenerativeModel, body: CreateCompletionRequest) -> list[NDArray[np.int64]]:
    return await encode_prompts(model, body.prompt, param="prompt")


def _around_gap(
    model: GenerativeModel, body: CreateCompletionRequest, prompts: Sequence[NDArray[np.int64]], suffix: str
) -> list[NDArray[np.int64]]:
    """Return prompts after which the model writes what belongs between each prompt and the suffix."""
    if model.fill_in_middle is None:
        message = f"model {model.name!r} has no tokens for filling a gap; leave suffix out or serve a model that has"
        raise unsupported("suffix", message)
    if body.echo and body.logprobs is not None:
        raise bad_request(
            "echo", "the log-probabilities of a prompt with a suffix are not given; leave one of them out"
        )
    suffix_ids = model.tokenizer.encode_part(suffix)
    return [model.fill_in_middle.prompt(each, suffix_ids, model.folder.bos_token_id) for each in prompts]


def _echoes(
    model: GenerativeModel, body: CreateCompletionRequest, prompts: Sequence[NDArray[np.int64]]
) -> list[EchoedPrompt] | None:
    if not body.echo:
        return None
    texts = prompt_texts(body.prompt, len(prompts))
    return [EchoedPrompt.of(model.tokenizer, *pair) for pair in zip(prompts, texts, strict=True)]


def _ranked(params: SamplingParams) -> SamplingParams:
    """Return the same with log-probabilities, which the choice of the best needs."""
    return params if params.logprobs is not None else replace(params, logprobs=0)


class _Shown:
    """Choices as the response shows them: with the prompt in front if it is to be echoed, whole or piece by piece."""

    def __init__(
        self,
        model: GenerativeModel,
        body: CreateCompletionRequest,
        echoes: Sequence[EchoedPrompt] | None,
        choices_per_prompt: int,
    ) -> None:
        self._tokenizer = model.tokenizer
        self._wants_logprobs = body.logprobs is not None
        self._echoes = echoes
        self._choices_per_prompt = choices_per_prompt
        self._num_shown: dict[int, int] = {}  # how many log-probabilities of a choice are out

    def best(self, choices: Sequence[Choice], first: int, n: int) -> list[int]:
        """Return the indices of the n of a prompt's choices whose tokens are the likeliest on average, best first."""
        indices = range(first, first + self._choices_per_prompt)
        if n == self._choices_per_prompt:
            return [*indices]
        return sorted(indices, key=lambda at: -self._mean_logprob(choices[at], at))[:n]

    def _mean_logprob(self, choice: Choice, index: int) -> float:
        shown_prompt = self._echoes is not None and self._wants_logprobs
        num_prompt = len(self._echo(index).token_ids) - 1 if shown_prompt else 0
        own = choice.logprobs[num_prompt:]
        return sum(each.logprob for each in own) / len(own) if own else -math.inf

    def choice(self, choice: Choice, index: int) -> dict[str, Any]:
        """Return a whole choice."""
        text, logprobs = self._begin(index, "".join(choice.text), choice.logprobs)
        return {"text": text, "index": index, "logprobs": logprobs, "finish_reason": choice.finish_reason}

    def deltas(self, output: SequenceOutput) -> list[dict[str, Any]]:
        """Return the next piece of a choice, if there is anything to show."""
        if self._echoes is not None and output.index not in self._num_shown:
            text, logprobs = self._begin(output.index, output.text, output.logprobs)
        elif output.text or output.logprobs or output.is_last:
            text, logprobs = self._go_on(output)
        else:
            return []
        return [{"text": text, "index": output.index, "logprobs": logprobs, "finish_reason": output.finish_reason}]

    def _begin(self, index: int, text: str, logprobs: Sequence[TokenLogprobs]) -> tuple[str, dict[str, Any] | None]:
        self._num_shown[index] = len(logprobs)
        if self._echoes is None:
            return text, completion_logprobs(self._tokenizer, logprobs) if self._wants_logprobs else None
        echo = self._echo(index)
        if not self._wants_logprobs:
            return echo.text + text, None
        placed = echo.place(logprobs)
        return echo.text + text, completion_logprobs(self._tokenizer, placed, first_token_id=echo.token_ids[0])

    def _go_on(self, output: SequenceOutput) -> tuple[str, dict[str, Any] | None]:
        first = self._num_shown.get(output.index, 0)
        self._num_shown[output.index] = first + len(output.logprobs)
        if not (self._wants_logprobs and output.logprobs):
            return output.text, None
        placed: Sequence[TokenLogprobs] = output.logprobs
        if self._echoes is not None:
            placed = self._echo(output.index).place(placed, first=first)
        return output.text, completion_logprobs(self._tokenizer, placed)

    def _echo(self, index: int) -> EchoedPrompt:
        assert self._echoes is not None, "asked for only where prompts are echoed"
        return self._echoes[index // self._choices_per_prompt]
