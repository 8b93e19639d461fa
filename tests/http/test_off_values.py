"""Values that other servers have for "off", or for "not given", in every protocol: as if the field were not there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.http.fields.asking import FREE, GREEDY, answered, body_of, said
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, EVERY_TASK, HELLO, Client, post, serving

RESPONSES, MESSAGES, OLLAMA, GENERATE = "/v1/responses", "/v1/messages", "/api/chat", "/api/generate"
EMBED, RERANK = "/api/embed", "/v1/rerank"
OPTIONS = {"temperature": 0, "num_predict": 4, "repeat_penalty": 1}
SHORT = {"temperature": 0, "repeat_penalty": 1}
PLAIN: dict[str, dict[str, Any]] = {
    COMPLETIONS: body_of(COMPLETIONS, **GREEDY),
    CHAT: body_of(CHAT, **GREEDY),
    RESPONSES: {"input": "Hello", "max_output_tokens": 4, "store": False} | SHORT,
    MESSAGES: {"messages": HELLO, "max_tokens": 4} | SHORT,
    OLLAMA: {"messages": HELLO, "stream": False, "options": OPTIONS},
    GENERATE: {"prompt": "Hello", "stream": False, "options": OPTIONS},
    EMBEDDINGS: {"input": "Hello"},
    EMBED: {"input": "Hello"},
    RERANK: {"query": "a", "documents": ["b", "a"], "model": "reference-reranker"},
}
OF_TEXT: list[dict[str, Any]] = [
    {"top_k": -1},  # vLLM and SGLang
    {"seed": -1},
    {"stop": ""},
    {"stop": [""]},
    {"stop": []},
    {"logit_bias": []},  # how PHP writes an object without members
    {"logit_bias": {}},
    {"grammar": ""},
    {"guided_json": "", "guided_regex": "", "guided_grammar": "", "json_schema": "", "regex": "", "ebnf": ""},
    {"structured_outputs": {"regex": "", "disable_fallback": False, "whitespace_pattern": None}},
    {"structured_outputs": True},
    {"truncate_prompt_tokens": -1},
    {"n_probs": 0, "typical_p": 1, "xtc_probability": 0, "dry_multiplier": 0, "t_max_predict_ms": 0},
]
OFF: list[tuple[str, dict[str, Any]]] = [
    *((path, each) for path in (COMPLETIONS, CHAT) for each in OF_TEXT),
    (COMPLETIONS, {"top_logprobs": 0, "logprobs": False}),
    (COMPLETIONS, {"suffix": ""}),
    (CHAT, {"top_logprobs": 0, "add_special_tokens": False}),
    (CHAT, {"reasoning_effort": "auto", "reasoning": {"effort": "default"}, "thinking": {"type": "adaptive"}}),
    (CHAT, {"tools": [], "functions": [], "reasoning_effort": "", "chat_template_kwargs": []}),
    (RESPONSES, {"top_k": -1, "stop": "", "seed": -1, "logit_bias": []}),
    (RESPONSES, {"previous_response_id": "", "instructions": "", "metadata": [], "top_logprobs": 0}),
    (MESSAGES, {"top_k": -1, "stop_sequences": [""], "system": "", "tools": [], "seed": -1}),
    (OLLAMA, {"options": OPTIONS | {"top_k": -1, "stop": [""], "num_ctx": 0, "seed": -1}, "format": "", "tools": []}),
    (
        GENERATE,
        {"options": OPTIONS | {"top_k": -1, "stop": "", "num_ctx": 0}, "context": [], "suffix": "", "images": []},
    ),
    (OLLAMA, {"options": OPTIONS | {"repeat_last_n": 0}}),
    (EMBEDDINGS, {"dimensions": 0}),
    (EMBED, {"dimensions": 0, "options": {}}),
    (RERANK, {"top_n": 0}),
]
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "ok"}
TOLD = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": None}]}


def content_of(answer: dict[str, Any]) -> Any:
    """Return what an answer says, without what differs from one request to the next."""
    names = ("choices", "output", "content", "message", "response", "data", "embeddings", "results")
    found = next(answer[name] for name in names if name in answer)
    return [{k: v for k, v in each.items() if k != "id"} if isinstance(each, dict) else each for each in found]


@pytest.fixture
async def client(short_turns: None) -> AsyncIterator[Client]:
    async with serving(**EVERY_TASK) as app:
        yield app.test_client()


@pytest.mark.parametrize(("path", "fields"), OFF, ids=str)
async def test_off_is_as_if_the_field_were_not_given(client: Client, path: str, fields: dict[str, Any]) -> None:
    given = {name: 0 for name in fields if name == "top_k"}  # greedy: the default of 40 gives the same

    plain = await answered(client, path, **PLAIN[path] | given)

    assert content_of(await answered(client, path, **PLAIN[path] | fields)) == content_of(plain)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_no_filter_draws_what_no_filter_draws(client: Client, path: str) -> None:
    assert await said(client, path, **FREE | {"top_k": -1}) == await said(client, path, **FREE | {"top_k": 0})


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (COMPLETIONS, {"max_tokens": -1}),
        (COMPLETIONS, {"max_tokens": -1, "n_predict": 0}),
        (CHAT, {"max_tokens": 0, "n_predict": -1}),
        (CHAT, {"max_completion_tokens": -1, "max_tokens": 0}),
        (RESPONSES, {"max_output_tokens": -1}),
        (OLLAMA, {"options": OPTIONS | {"num_predict": -1}}),
        (OLLAMA, {"options": OPTIONS | {"num_predict": -2}}),
    ],
    ids=str,
)
async def test_no_limit_is_the_end_of_the_text_or_the_context(
    client: Client, path: str, fields: dict[str, Any]
) -> None:
    endless = {} if path == OLLAMA else {"ignore_eos": True}

    answer = await answered(client, path, **PLAIN[path] | {"min_tokens": 0} | endless | fields)

    usage = answer.get("usage", answer)
    read, generated = [
        next(usage[name] for name in names if name in usage)
        for names in (
            ("prompt_tokens", "input_tokens", "prompt_eval_count"),
            ("completion_tokens", "output_tokens", "eval_count"),
        )
    ]
    assert generated > 24
    assert read + generated == 512 or path == OLLAMA


async def test_an_echo_without_a_limit_goes_on_to_the_end(client: Client) -> None:
    answer = await answered(client, COMPLETIONS, prompt="ab", echo=True, max_tokens=-1, ignore_eos=True)

    assert answer["usage"]["total_tokens"] == 512


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_limits_of_different_meaning_are_refused_by_both_names(client: Client, path: str) -> None:
    status, answer = await post(client, path, PLAIN[path] | {"max_tokens": 3, "n_predict": -1})

    assert (status, answer["error"]["param"]) == (400, "n_predict")
    assert "max_tokens is 3 and n_predict is -1" in answer["error"]["message"]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (CALL | {"id": None}, RESULT | {"tool_call_id": None}),
        ({"function": {"name": "f"}}, {"role": "tool", "content": "ok"}),
        (CALL | {"type": None}, RESULT),
        (CALL | {"function": {"name": "f", "arguments": None}}, RESULT),
        (CALL | {"function": {"name": "f", "arguments": ""}}, RESULT),
        (CALL | {"function": {"name": "f", "arguments": {}}}, RESULT),
    ],
    ids=str,
)
async def test_a_call_of_the_history_says_the_same_without_what_means_nothing(
    client: Client, call: dict[str, Any], result: dict[str, Any]
) -> None:
    def conversation(*messages: dict[str, Any]) -> dict[str, Any]:
        return GREEDY | {"messages": [*HELLO, {"role": "assistant", "tool_calls": [messages[0]]}, messages[1]]}

    plain = await answered(client, CHAT, **conversation(CALL, RESULT))

    assert content_of(await answered(client, CHAT, **conversation(call, result))) == content_of(plain)


async def test_results_without_ids_answer_the_calls_in_their_order(client: Client) -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]
    results = [{"role": "tool", "content": each} for each in ("one", "two")]
    named = [each | {"id": at, "type": "function"} for each, at in zip(calls, "ab", strict=True)]
    told = [each | {"tool_call_id": at} for each, at in zip(results, "ab", strict=True)]

    without, with_ids = [
        await answered(client, CHAT, **GREEDY, messages=[*HELLO, {"role": "assistant", "tool_calls": made}, *given])
        for made, given in ((calls, results), (named, told))
    ]

    assert content_of(without) == content_of(with_ids)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"reasoning_effort": "max"}),
        (CHAT, {"tools": [{"function": {"name": "f"}}]}),
        (CHAT, {"tools": [{"type": None, "function": {"name": "f"}}]}),
        (
            MESSAGES,
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"} | {"input": None}]},
                    TOLD,
                ]
            },
        ),
        (
            RESPONSES,
            {
                "input": [
                    {"type": "function_call", "call_id": "a", "name": "f", "arguments": None},
                    {"type": "function_call_output", "call_id": "a", "output": None},
                ]
            },
        ),
        (
            OLLAMA,
            {
                "messages": [
                    {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": None}}]},
                    {"role": "tool", "content": None},
                ]
            },
        ),
    ],
    ids=str,
)
async def test_tools_calls_and_results_need_only_what_says_something(
    client: Client, path: str, fields: dict[str, Any]
) -> None:
    assert await answered(client, path, **PLAIN[path] | fields)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_a_byte_order_mark_is_passed_over(client: Client, path: str) -> None:
    import json

    status, _ = await post(client, path, b"\xef\xbb\xbf" + json.dumps(PLAIN[path]).encode())

    assert status == 200
