"""POST /v1/chat/completions: answer a conversation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from quart import Response, jsonify

from jan_ort.chat.messages import MessageError, template_messages
from jan_ort.engine.events import SequenceOutput
from jan_ort.errors import bad_request, short
from jan_ort.handlers.fields import num_choices, refuse_unfinished, sampling_params
from jan_ort.handlers.generation import Job
from jan_ort.handlers.logprobs import chat_logprobs
from jan_ort.handlers.prompts import starting_token
from jan_ort.served import GenerativeModel
from jan_ort.server import Server
from jan_ort_openapi.models import CreateChatCompletionRequest

_CHUNK = "chat.completion.chunk"


async def create_chat_completion(server: Server, body: CreateChatCompletionRequest) -> Response:
    """Answer with n messages of the assistant."""
    model = server.for_generation()
    refuse_unfinished(body)
    prompt = await _prompt(model, body)
    params = sampling_params(
        body,
        max_tokens=_max_tokens(body),
        num_prompt=len(prompt),
        context_length=model.context_length,
        vocab_size=model.vocab_size,
    )
    job = Job(model, [prompt], num_choices(body), [params], kind="chatcmpl", user=body.user)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage is True
        return await job.stream(
            lambda output: [job.envelope(_CHUNK, [choice]) for choice in _deltas(model, output)],
            before=[job.envelope(_CHUNK, [_choice(at, {"role": "assistant"})]) for at in range(len(job.choices))],
            after=lambda: [job.envelope(_CHUNK, []) | {"usage": job.usage}] if with_usage else [],
        )
    await job.collect()
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": "".join(choice.text)},
            "logprobs": chat_logprobs(model.tokenizer, choice.logprobs) if body.logprobs else None,
            "finish_reason": choice.finish_reason,
        }
        for index, choice in enumerate(job.choices)
    ]
    return jsonify(job.envelope("chat.completion", choices) | {"usage": job.usage})


def _max_tokens(body: CreateChatCompletionRequest) -> int | None:
    """Return the limit in either spelling. Raises: ApiError 400 if the two disagree."""
    old, new = body.max_tokens, body.max_completion_tokens
    if old is not None and new is not None and old != new:
        message = f"max_tokens is {short(old)} and max_completion_tokens is {short(new)}; give one"
        raise bad_request("max_completion_tokens", message)
    if new is not None and new < 0:
        raise bad_request("max_completion_tokens", f"max_completion_tokens must be 0 or more, not {short(new)}")
    return old if new is None else new


async def _prompt(model: GenerativeModel, body: CreateChatCompletionRequest) -> NDArray[np.int64]:
    """Return the conversation's token ids; no message at all is generated from BOS."""
    if not body.messages:
        return starting_token(model)
    if model.template is None:
        raise bad_request(
            "messages",
            f"model {model.name!r} has no chat template; put a chat_template.jinja into its folder, "
            "or use /v1/completions",
            code="no_chat_template",
        )
    try:
        messages = template_messages(body.messages)
    except MessageError as error:
        raise bad_request(error.param, str(error), code="unsupported_field") from error
    token_ids = await model.encode(model.template.render(messages))
    return token_ids if len(token_ids) else starting_token(model)


def _choice(index: int, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _deltas(model: GenerativeModel, output: SequenceOutput) -> list[dict[str, Any]]:
    """Return a content delta if there is news, and the empty delta that carries the finish reason."""
    deltas = []
    if output.text or output.logprobs:
        deltas.append(_choice(output.index, {"content": output.text}))
        if output.logprobs:
            deltas[0]["logprobs"] = chat_logprobs(model.tokenizer, output.logprobs)
    if output.is_last:
        deltas.append(_choice(output.index, {}, output.finish_reason))
    return deltas
