"""POST /v1/completions: continue prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quart import Response, jsonify

from jan_ort.engine.events import SequenceOutput, TokenLogprobs
from jan_ort.handlers.fields import num_choices, refuse_unfinished, sampling_params
from jan_ort.handlers.generation import Job
from jan_ort.handlers.logprobs import completion_logprobs
from jan_ort.handlers.prompts import encode_prompts, starting_token
from jan_ort.served import GenerativeModel
from jan_ort.server import Server
from jan_ort_openapi.models import CreateCompletionRequest


async def create_completion(server: Server, body: CreateCompletionRequest) -> Response:
    """Answer with n choices for each prompt."""
    model = server.for_generation()
    refuse_unfinished(body)
    prompts = await _prompts(model, body)
    params = [
        sampling_params(
            body,
            max_tokens=body.max_tokens,
            num_prompt=len(token_ids),
            context_length=model.context_length,
            vocab_size=model.vocab_size,
        )
        for token_ids in prompts
    ]
    job = Job(model, prompts, num_choices(body, num_prompts=len(prompts)), params, kind="cmpl", user=body.user)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage is True
        return await job.stream(
            lambda output: [job.envelope("text_completion", [_delta(model, output)])] if _shows(output) else [],
            after=lambda: [job.envelope("text_completion", []) | {"usage": job.usage}] if with_usage else [],
        )
    await job.collect()
    choices = [
        {
            "index": index,
            "text": "".join(choice.text),
            "logprobs": _logprobs(model, choice.logprobs, wanted=body.logprobs is not None),
            "finish_reason": choice.finish_reason,
        }
        for index, choice in enumerate(job.choices)
    ]
    return jsonify(job.envelope("text_completion", choices) | {"usage": job.usage})


async def _prompts(model: GenerativeModel, body: CreateCompletionRequest) -> Sequence[NDArray[np.int64]]:
    prompts = await encode_prompts(model, body.prompt, param="prompt")
    return [token_ids if len(token_ids) else starting_token(model) for token_ids in prompts]


def _shows(output: SequenceOutput) -> bool:
    return bool(output.text or output.logprobs) or output.is_last


def _delta(model: GenerativeModel, output: SequenceOutput) -> dict[str, Any]:
    return {
        "index": output.index,
        "text": output.text,
        "logprobs": _logprobs(model, output.logprobs, wanted=bool(output.logprobs)),
        "finish_reason": output.finish_reason,
    }


def _logprobs(model: GenerativeModel, logprobs: Sequence[TokenLogprobs], *, wanted: bool) -> dict[str, Any] | None:
    return completion_logprobs(model.tokenizer, logprobs) if wanted else None
