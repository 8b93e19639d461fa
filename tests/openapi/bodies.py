"""Request bodies by the thousand, right and wrong, for judging ``parse_body`` by an independent validator."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.errors import FlakyStrategyDefinition
from schemathesis import GenerationMode
from schemathesis.schemas import APIOperation

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "developer", "content": None},
    {"role": "user", "content": [{"type": "text", "text": "What is this?"}]},
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "https://example.org", "detail": "low"}}],
    },
    {"role": "user", "content": [{"type": "image_url", "image_url": "https://example.org/a"}]},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
    {"role": "tool", "content": "5", "tool_call_id": "1"},
    {"role": "function", "content": "5", "name": "f"},
]
FUNCTION = {"name": "f", "description": "A function.", "parameters": {"type": "object", "properties": {}, "n": 5}}
ITEMS = [
    {"type": "message", "id": "i", "status": "completed", "role": "assistant", "phase": "commentary", "content": "a"},
    {
        "role": "user",
        "content": [{"type": "input_image", "text": "t", "refusal": "r", "image_url": "u", "detail": "low"}],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "5"}]},
    {"type": "function_call_output", "call_id": "c", "output": "5"},
    {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"},
]
RESPONSE_TOOLS = [{"type": "function", "name": "f", "description": "d", "parameters": {"a": 1}, "strict": True}]
SAMPLING = {
    "model": "m", "user": "u", "stream": False, "stream_options": {"include_usage": True}, "stop": ["a"],
    "min_tokens": 1, "max_tokens": 4, "temperature": 0.5, "top_p": 0.9, "min_p": 0.1, "top_k": 3, "n": 1, "seed": 7,
    "presence_penalty": 0.5, "frequency_penalty": -0.5, "repeat_penalty": 1.0, "logit_bias": {"5": -1.5},
    "logit_bias_type": "tokens", "mirostat_mode": 2, "mirostat_tau": 4.5, "mirostat_eta": 0.2, "grammar": "root ::= x",
}  # fmt: skip
CACHE = {"cache_control": {"type": "ephemeral"}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "a", "url": None}, **CACHE}
TEXT = {"type": "text", "text": "a", **CACHE}
OPTIONS = {
    "temperature": 0.5, "num_predict": -1, "stop": ["a"], "seed": 7, "top_k": 3, "top_p": 0.9, "min_p": 0.1,
    "repeat_penalty": 1.0, "presence_penalty": 0.5, "frequency_penalty": -0.5, "mirostat": 2, "mirostat_tau": 4.5,
    "mirostat_eta": 0.2, "num_ctx": 8,
}  # fmt: skip
COUNTED: dict[str, Any] = {
    "system": "s",
    "messages": [
        {"role": "user", "content": [TEXT, IMAGE]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {"n": 5}, **CACHE},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [TEXT, IMAGE], "is_error": True, **CACHE},
                {"type": "tool_result", "tool_use_id": "1", "content": "5"},
            ],
        },
    ],
    "tools": [
        {"type": "custom", "name": "f", "description": "d", "input_schema": {"type": "object"}, "strict": True, **CACHE}
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 1, "display": "summarized"},
    "output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}, "effort": "low"},
    **CACHE,
}
FULL: dict[str, list[dict[str, Any]]] = {
    "CreateCompletionRequest": [
        {**SAMPLING, "prompt": "p", "suffix": "s", "echo": True, "logprobs": 2, "best_of": 2},
        {"prompt": ["p", "q"], "stop": "a", "response_format": {"type": "text"}},
        {"prompt": [1, 2]},
        {"prompt": [[1, 2], [3]]},
    ],
    "CreateChatCompletionRequest": [
        {**SAMPLING, "messages": MESSAGES, "max_completion_tokens": 3, "logprobs": True, "top_logprobs": 2},
        {"functions": [FUNCTION], "function_call": {"name": "f"}, "parallel_tool_calls": False},
        {"tools": [{"type": "function", "function": FUNCTION}], "function_call": "auto", "tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"response_format": {"type": "json_object", "schema": {"type": "object"}}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "a", "description": "d", "schema": {"type": "object"}, "strict": True},
            }
        },
    ],
    "CreateEmbeddingRequest": [
        {"model": "m", "input": "a", "user": "u", "encoding_format": "base64", "dimensions": 8, "prompt_name": "p"},
        {"input": ["a", "b"]},
        {"input": [1, 2]},
        {"input": [[1], [2, 3]]},
    ],
    "CreateRerankRequest": [
        {"model": "m", "query": "a", "documents": ["b", {"text": "c"}], "top_n": 1, "return_documents": True},
    ],
    "CreateScoreRequest": [{"model": "m", "text_1": "a", "text_2": ["b", "c"]}, {"text_1": ["a"], "text_2": "b"}],
    "CreateMessageRequest": [
        {
            **COUNTED,
            "model": "m",
            "max_tokens": 4,
            "stop_sequences": ["a"],
            "stream": False,
            "temperature": 0.5,
            "top_k": 3,
            "top_p": 0.9,
            "min_p": 0.1,
            "repeat_penalty": 1.0,
            "seed": 7,
            "service_tier": "auto",
        },
        {"max_tokens": 4, "messages": [{"role": "user", "content": "a"}], "metadata": {"user_id": "u"}},
    ],
    "CountMessageTokensRequest": [
        {"model": "m", "messages": [{"role": "user", "content": "a"}], "system": [{"type": "text", "text": "a"}]},
        {
            "messages": [{"role": "user", "content": "a"}],
            "tools": [{"name": "f"}],
            "tool_choice": {"type": "tool", "name": "f"},
            "thinking": {"type": "disabled"},
            "output_config": {"effort": "low"},
            **CACHE,
        },
    ],
    "OllamaChatRequest": [
        {
            "model": "m",
            "stream": False,
            "format": "json",
            "options": OPTIONS,
            "think": True,
            "keep_alive": "5m",
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "messages": [
                {"role": "user", "content": "a", "images": ["a"]},
                {
                    "role": "assistant",
                    "thinking": "t",
                    "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": {"n": 5}}}],
                },
                {"role": "tool", "content": "5", "tool_name": "f", "tool_call_id": "1"},
            ],
        },
        {"format": {"type": "object"}, "think": "low", "keep_alive": 0, "options": {"stop": "a"}},
    ],
    "OllamaGenerateRequest": [
        {
            "model": "m",
            "prompt": "p",
            "system": "s",
            "suffix": "x",
            "images": ["a"],
            "raw": False,
            "stream": True,
            "format": "",
            "options": {"seed": 7},
            "think": False,
            "keep_alive": 1.5,
        },
    ],
    "OllamaEmbedRequest": [
        {
            "model": "m",
            "input": ["a", "b"],
            "truncate": True,
            "dimensions": 8,
            "options": {"num_ctx": 8},
            "keep_alive": "5m",
        },
        {"input": "a"},
    ],
    "OllamaEmbeddingsRequest": [{"model": "m", "prompt": "a", "options": {"num_ctx": 8}, "keep_alive": 0}],
    "OllamaShowRequest": [{"model": "m", "name": "m", "verbose": True}],
    "CreateResponseRequest": [
        {
            "model": "m",
            "input": "a",
            "instructions": "i",
            "previous_response_id": "r",
            "store": True,
            "user": "u",
            "stream": False,
            "stream_options": {"include_obfuscation": False},
            "include": ["a"],
            "top_logprobs": 2,
            "parallel_tool_calls": True,
            "max_tool_calls": 1,
            "reasoning": {"effort": "low", "summary": "auto"},
            "max_output_tokens": 5,
            "temperature": 0.5,
            "top_p": 0.9,
            "presence_penalty": 0.5,
            "truncation": "auto",
            "frequency_penalty": 0.5,
            "metadata": {"a": "b"},
            "background": False,
            "service_tier": "auto",
            "safety_identifier": "s",
            "prompt_cache_key": "k",
        },
        {"input": ITEMS, "tools": RESPONSE_TOOLS, "tool_choice": "auto"},
        {"tool_choice": {"type": "allowed_tools", "name": "f", "mode": "auto", "tools": RESPONSE_TOOLS}},
        {
            "text": {
                "verbosity": "low",
                "format": {"type": "json_schema", "name": "a", "description": "d", "schema": {}, "strict": True},
            }
        },
    ],
    "ModelSelection": [{"model": "m"}],
    "CountTokensRequest": [
        {"model": "m", "input": "a"},
        {"messages": MESSAGES, "functions": [FUNCTION], "function_call": {"name": "f"}},
        {"tools": [{"type": "function", "function": FUNCTION}], "function_call": "auto", "tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "f"}}},
    ],
    "TokenizeInputRequest": [{"model": "m", "input": "a"}],
    "DetokenizeInputRequest": [{"model": "m", "tokens": [1, 2]}],
}
"""By request model: valid bodies that together use every field and every branch of every union."""

ODD_VALUES: list[Any] = [
    None, True, False, 0, 1, 2, 3, -1, 5.0, -0.0, 1.5, -2.5, 1e2, 1e22, 1e300, 2**53 + 1, 2**70, -(2**70), 10**300,
    "", "5", "auto", "text", "user", [], {}, [1], [5.0], [1.5], [True], [None], ["a"], ["a", 1], [[]], [[1]], [[1.5]],
    [[], 1], [{}], {"x": None}, {"x": 1.5}, {"x": 5.0}, {"type": "text"}, {"role": "user"}, {"name": "f"},
]  # fmt: skip


def generated(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, count: int) -> list[bytes]:
    """Return up to ``count`` bodies drawn from schemathesis' own strategy for the operation."""
    bodies: list[bytes] = []

    @settings(max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck])
    @given(operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        bodies.append(case.body if isinstance(case.body, bytes) else encode(case.body))

    try:
        collect()
    except* FlakyStrategyDefinition:
        pass  # its strategies are rarely drawn otherwise when they are replayed: what came until then are bodies, too
    return bodies


def mutations(body: dict[str, Any]) -> Iterator[bytes]:
    """Yield ``body`` itself, and with each of its nodes replaced by each odd value, removed, or given a new member."""
    yield encode(body)
    for path in _paths(body):
        for value in ODD_VALUES:
            yield encode(_replaced(body, path, value))
        yield encode(_removed(body, path))
        yield encode(_replaced(body, (*path[:-1], "unheard_of"), 1.5))
    yield from (encode(value) for value in ODD_VALUES)


def encode(value: Any) -> bytes:
    """Return ``value`` as JSON text; raises ValueError for NaN and infinities."""
    return json.dumps(value, allow_nan=False).encode()


def _paths(node: Any, prefix: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*prefix, key)
        yield from _paths(child, (*prefix, key))


def _replaced(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    body = copy.deepcopy(body)
    parent = _parent(body, path)
    if isinstance(parent, list) and isinstance(path[-1], str):
        parent.append(value)
    else:
        parent[path[-1]] = value
    return body


def _removed(body: Any, path: tuple[str | int, ...]) -> Any:
    body = copy.deepcopy(body)
    del _parent(body, path)[path[-1]]
    return body


def _parent(node: Any, path: tuple[str | int, ...]) -> Any:
    for key in path[:-1]:
        node = node[key]
    return node
