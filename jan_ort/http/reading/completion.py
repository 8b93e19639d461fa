"""From the body of a completion to its plan (hop 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.fields import (
    fitted,
    num_alternatives,
    num_candidates,
    num_choices,
    sampling_params,
    wants_usage,
)
from jan_ort.http.reading.other_names import in_own_names, refuse_what_is_not_honoured
from jan_ort.http.reading.plan import GenerationPlan
from jan_ort.http.reading.prompts import check_known, encode_prompts, fitting, num_prompts, prompt_texts, starting_token
from jan_ort.http.reading.structure import compile_structure
from jan_ort.models.fill_in_middle import NUM_MARKERS, FillInMiddle
from jan_ort.sampling.params import SamplingParams
from jan_ort.serving.generative import GenerativeModel
from jan_ort.settings.schema import Settings
from jan_ort_openapi.models import CreateCompletionRequest


@dataclass(frozen=True)
class Echo:
    """A prompt that is given back in front of its completions; ``text`` is None where token ids were given."""

    token_ids: NDArray[np.int64]
    text: str | None


@dataclass(frozen=True, kw_only=True)
class CompletionPlan(GenerationPlan):
    """Prompts to continue; the best ``num_kept`` of each prompt's choices are the answer.

    ``suffix`` is put at the end of each text: the request's, where the model cannot fill the gap before it.
    """

    num_kept: int
    echoes: tuple[Echo, ...] | None
    suffix: str


async def read_completion(body: CreateCompletionRequest, model: GenerativeModel, settings: Settings) -> CompletionPlan:
    """Return what the body asks of the model. Raises: ApiError 400 that names the field.

    What is cheap to refuse comes before anything is tokenized.
    """
    refuse_what_is_not_honoured(body)
    body = in_own_names(body)
    with_usage = wants_usage(body)
    count = num_prompts(body.prompt, param="prompt")
    n = num_choices(body, num_prompts=count)
    best_of = num_candidates(body, n, num_prompts=count)
    shared = await sampling_params(body, model, settings)
    encoded = await encode_prompts(model, body.prompt, param="prompt")
    given = [each if len(each) else starting_token(model) for each in encoded]
    ranked = _ranked(shared) if best_of > n else shared
    prompts, params = await _placed(body, model, given, ranked, is_strict=settings.strict_limits)
    check_known(model, prompts, "prompt")
    return CompletionPlan(
        model=model,
        prompts=tuple(prompts),
        params=tuple(params),
        num_choices=best_of,
        grammar=await compile_structure(model, body),
        is_stream=bool(body.stream),
        with_usage=with_usage,
        with_logprobs=num_alternatives(body) is not None,
        user=body.user,
        prompt_logprobs=body.echo and num_alternatives(body) is not None,
        num_kept=n,
        echoes=_echoes(body, given) if body.echo else None,
        suffix=(body.suffix or "") if model.fill_in_middle is None else "",
    )


async def _placed(
    body: CreateCompletionRequest,
    model: GenerativeModel,
    given: Sequence[NDArray[np.int64]],
    shared: SamplingParams,
    *,
    is_strict: bool,
) -> tuple[Sequence[NDArray[np.int64]], list[SamplingParams]]:
    """Return the prompts, in front of a gap if there is one, with how to sample after each."""
    suffix, gap = await _gap(body, model)
    lengths = [len(each) + (0 if gap is None else len(suffix) + NUM_MARKERS) for each in given]
    context = model.context_length
    params = [fitted(shared, length, context, param="prompt", is_strict=is_strict) for length in lengths]
    if gap is not None:  # only now: a long suffix stands in each of 2,048 prompts
        given = [gap.prompt(each, suffix, model.folder.bos_token_id) for each in given]
    return given, params


async def _gap(body: CreateCompletionRequest, model: GenerativeModel) -> tuple[NDArray[np.int64], FillInMiddle | None]:
    """Return the suffix's token ids, and the tokens that mark the gap before it, None for no gap."""
    if not body.suffix or model.fill_in_middle is None:
        return np.empty(0, np.int64), None
    if body.echo and num_alternatives(body) is not None:
        raise bad_request(
            "echo", "suffix, echo and logprobs exclude each other: the prompt is split around the gap; leave one out"
        )
    return (await fitting(model.encode_parts([body.suffix], fits=True), "suffix"))[0], model.fill_in_middle


def _echoes(body: CreateCompletionRequest, prompts: Sequence[NDArray[np.int64]]) -> tuple[Echo, ...]:
    texts = prompt_texts(body.prompt, len(prompts))
    return tuple(Echo(*pair) for pair in zip(prompts, texts, strict=True))


def _ranked(params: SamplingParams) -> SamplingParams:
    """Return the same with log-probabilities, which the choice of the best needs."""
    return params if params.logprobs is not None else replace(params, logprobs=0)
