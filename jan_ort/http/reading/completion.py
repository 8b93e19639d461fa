"""From the body of a completion to its plan (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.reading.fields import num_candidates, num_choices, sampling_params, wants_usage
from jan_ort.http.reading.plan import GenerationPlan
from jan_ort.http.reading.prompts import check_known, encode_prompts, prompt_texts, starting_token
from jan_ort.http.reading.structure import compile_structure
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.generative import GenerativeModel
from jan_ort_openapi.models import CreateCompletionRequest


@dataclass(frozen=True)
class Echo:
    """A prompt that is given back in front of its completions; ``text`` is None where token ids were given."""

    token_ids: NDArray[np.int64]
    text: str | None


@dataclass(frozen=True, kw_only=True)
class CompletionPlan(GenerationPlan):
    """Prompts to continue; the best ``num_kept`` of each prompt's choices are the answer."""

    num_kept: int
    echoes: tuple[Echo, ...] | None


async def read_completion(body: CreateCompletionRequest, model: GenerativeModel) -> CompletionPlan:
    """Return what the body asks of the model. Raises: ApiError 400 that names the field."""
    with_usage = wants_usage(body)
    encoded = await encode_prompts(model, body.prompt, param="prompt")
    given = [each if len(each) else starting_token(model) for each in encoded]
    prompts = _around_gap(model, body, given, body.suffix) if body.suffix else given
    n = num_choices(body, num_prompts=len(prompts))
    best_of = num_candidates(body, n, num_prompts=len(prompts))
    params = [sampling_params(body, model, max_tokens=body.max_tokens, num_prompt=len(each)) for each in prompts]
    check_known(model, prompts, "prompt")
    return CompletionPlan(
        model=model,
        prompts=tuple(prompts),
        params=tuple(map(_ranked, params) if best_of > n else params),
        num_choices=best_of,
        grammar=await compile_structure(model, body),
        is_stream=bool(body.stream),
        with_usage=with_usage,
        with_logprobs=body.logprobs is not None,
        user=body.user,
        prompt_logprobs=body.echo and body.logprobs is not None,
        num_kept=n,
        echoes=_echoes(body, given) if body.echo else None,
    )


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


def _echoes(body: CreateCompletionRequest, prompts: Sequence[NDArray[np.int64]]) -> tuple[Echo, ...]:
    texts = prompt_texts(body.prompt, len(prompts))
    return tuple(Echo(*pair) for pair in zip(prompts, texts, strict=True))


def _ranked(params: SamplingParams) -> SamplingParams:
    """Return the same with log-probabilities, which the choice of the best needs."""
    return params if params.logprobs is not None else replace(params, logprobs=0)
