"""POST /v1/chat/completions: answer a conversation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Response, jsonify

from jan_ort.chat.reasoning import AnswerParser, ReasoningStage, ThinkingParser
from jan_ort.chat.tools import ToolCallParser, ToolPlan
from jan_ort.http.answering.chat_answer import ChatAnswer
from jan_ort.http.answering.generation import Job
from jan_ort.http.errors import bad_request, short
from jan_ort.http.reading.conversation import encode_conversation, tool_plan
from jan_ort.http.reading.fields import num_choices, sampling_params, wants_usage
from jan_ort.http.reading.structure import compile_calls, compile_structure
from jan_ort.serving.served import GenerativeModel
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateChatCompletionRequest

if TYPE_CHECKING:
    from jan_ort.structured.compiler import CompiledGrammar

_CHUNK = "chat.completion.chunk"


async def create_chat_completion(server: Server, body: CreateChatCompletionRequest) -> Response:
    """Answer with n messages of the assistant."""
    async with server.for_generation(body.model) as model:
        return await _answer(model, body)


async def _answer(model: GenerativeModel, body: CreateChatCompletionRequest) -> Response:
    with_usage = wants_usage(body)
    plan = tool_plan(body)
    calls = plan if plan is not None and plan.callable_tools else None
    prompt = await encode_conversation(model, body, plan)
    params = sampling_params(body, model, max_tokens=_max_tokens(body), num_prompt=len(prompt.token_ids))
    n = num_choices(body)
    job = Job(
        model,
        [prompt.token_ids],
        n,
        [params],
        kind="chatcmpl",
        user=body.user,
        grammar=await _grammar(model, body, calls),
        shown_token_ids=frozenset() if calls is None else _marker_ids(model),
    )
    answers = [
        ChatAnswer(at, model.tokenizer)
        if calls is None
        else ChatAnswer(at, model.tokenizer, _new_parser(model, calls, prompt.text), is_legacy=calls.is_legacy)
        for at in range(n)
    ]
    if body.stream:
        return await job.stream(
            lambda output: [job.envelope(_CHUNK, [choice]) for choice in answers[output.index].take(output)],
            before=[job.envelope(_CHUNK, [answer.first_delta()]) for answer in answers],
            after=lambda: [job.envelope(_CHUNK, []) | {"usage": job.usage}] if with_usage else [],
            is_complete=lambda: all(answer.is_complete for answer in answers),
        )
    await job.collect(
        lambda output: answers[output.index].take(output),
        is_complete=lambda: all(answer.is_complete for answer in answers),
        piecewise=calls is not None and not calls.is_parallel,
    )
    choices = [answer.whole(with_logprobs=bool(body.logprobs)) for answer in answers]
    return jsonify(job.envelope("chat.completion", choices) | {"usage": job.usage})


def _marker_ids(model: GenerativeModel) -> frozenset[int]:
    """Return the special tokens that an answer with calls must show to its parser."""
    return frozenset({**model.tool_markers, **model.thought_markers}.values())


def _new_parser(model: GenerativeModel, calls: ToolPlan, prompt: str) -> AnswerParser:
    """Return what finds the calls of one answer; a forced one begins with its call, so that it holds no thought."""
    parser = ToolCallParser(model.tool_format, calls.names, is_parallel=calls.is_parallel)
    if model.thoughts is None or calls.is_forced:
        return parser
    is_thinking = model.thoughts.are_open_in(prompt)
    return ThinkingParser(ReasoningStage(model.thoughts, is_thinking=is_thinking, hidden=model.thought_markers), parser)


async def _grammar(
    model: GenerativeModel, body: CreateChatCompletionRequest, calls: ToolPlan | None
) -> CompiledGrammar | None:
    """Return what the answer must follow: a call if one is forced, else what the request's own fields say."""
    structure = await compile_structure(model, body)
    if calls is None:
        return structure
    if structure is not None:
        param = "response_format" if body.grammar is None else "grammar"
        message = f"{param} cannot be combined with tools that may be called; set tool_choice to 'none' or leave it out"
        raise bad_request(param, message)
    return await compile_calls(model, calls)


def _max_tokens(body: CreateChatCompletionRequest) -> int | None:
    """Return the limit in either spelling. Raises: ApiError 400 if the two disagree."""
    old, new = body.max_tokens, body.max_completion_tokens
    if old is not None and new is not None and old != new:
        message = f"max_tokens is {short(old)} and max_completion_tokens is {short(new)}; give one"
        raise bad_request("max_completion_tokens", message)
    if new is not None and new < 0:
        raise bad_request("max_completion_tokens", f"max_completion_tokens must be 0 or more, not {short(new)}")
    return old if new is None else new
