"""From the body of a chat to its plan (hop 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jan_ort.chat.tools import ToolPlan
from jan_ort.http.reading.conversation import encode_conversation
from jan_ort.http.reading.fields import fitted, num_choices, sampling_params, wants_usage
from jan_ort.http.reading.openai_rules import check_messages
from jan_ort.http.reading.other_names import in_own_names, refuse_what_is_not_honoured
from jan_ort.http.reading.plan import GenerationPlan
from jan_ort.http.reading.prompts import check_known
from jan_ort.http.reading.structure import compile_calls, compile_structure, rule_of
from jan_ort.http.reading.thinking import after_thoughts, is_thought_open
from jan_ort.serving.generative import GenerativeModel
from jan_ort.settings.schema import Settings
from jan_ort_openapi.models import CreateChatCompletionRequest

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar


@dataclass(frozen=True, kw_only=True)
class ChatPlan(GenerationPlan):
    """A conversation to continue.

    ``calls`` says which tools the answer may call, None for none. ``is_thinking`` says that the prompt ends inside of
    a thought, with which the answer goes on.
    """

    calls: ToolPlan | None
    is_thinking: bool


async def read_chat(body: CreateChatCompletionRequest, model: GenerativeModel, settings: Settings) -> ChatPlan:
    """Return what the body asks of the model. Raises: ApiError 400 that names the field; ChatTemplateError.

    What is cheap to refuse comes before the conversation is rendered and tokenized.
    """
    refuse_what_is_not_honoured(body)
    body = in_own_names(body)
    if settings.strict_openai:
        check_messages(body.messages)
    with_usage = wants_usage(body)
    n = num_choices(body)
    shared = await sampling_params(body, model, settings)
    prompt = await encode_conversation(model, body)
    calls = prompt.tools if prompt.tools is not None and prompt.tools.callable_tools else None
    is_thinking = is_thought_open(model, prompt)
    length, is_strict = len(prompt.token_ids), settings.strict_limits
    params = fitted(shared, length, model.context_length, param="messages", is_strict=is_strict)
    check_known(model, [prompt.token_ids], "messages")
    return ChatPlan(
        model=model,
        prompts=(prompt.token_ids,),
        params=(params,),
        num_choices=n,
        grammar=await after_thoughts(model, await _grammar(model, body, calls), prompt, is_call=calls is not None),
        is_stream=bool(body.stream),
        with_usage=with_usage,
        with_logprobs=bool(body.logprobs),
        user=body.user,
        shown_token_ids=_marker_ids(model, calls),
        embedded=prompt.embedded,
        is_piecewise=calls is not None and not calls.is_parallel,
        calls=calls,
        is_thinking=is_thinking,
    )


def _marker_ids(model: GenerativeModel, calls: ToolPlan | None) -> frozenset[int]:
    """Return the special tokens that an answer must show to its parser."""
    if model.template is None:
        return frozenset()
    return frozenset({**(model.tool_markers if calls is not None else {}), **model.thought_markers}.values())


async def _grammar(
    model: GenerativeModel, body: CreateChatCompletionRequest, calls: ToolPlan | None
) -> CompiledGrammar | None:
    """Return what the answer must follow: calls, if there are tools, or else what the request's own fields say."""
    if calls is None:
        return await compile_structure(model, body)
    return await compile_calls(model, calls, rule_of(body))
