"""Single changes that planted faults make to requests, answers and events."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Exchange


def edited(frame: str, **chunk: Any) -> str:
    """Return an event with other members of its chunk."""
    return "data: " + json.dumps(json.loads(frame.removeprefix("data: ")) | chunk)


def choice_edited(frame: str, **members: Any) -> str:
    choices = json.loads(frame.removeprefix("data: "))["choices"]
    return edited(frame, choices=[choice | members for choice in choices])


def usage(answer: Any, **added: int) -> Any:
    if "usage" in answer:
        answer["usage"] = {
            key: value + added.get(key, 0) if isinstance(value, int) else value
            for key, value in answer["usage"].items()
        }
    return answer


def count_alike(_: Any, answer: Any) -> Any:
    """Count nine tokens in any prompt."""
    spent = answer.get("usage", {}).get("completion_tokens", 0)
    counts = {"prompt_tokens": 9, "completion_tokens": spent, "total_tokens": 9 + spent}
    return answer | {"usage": counts} if "usage" in answer else answer


def each_choice(answer: Any, change: Callable[[Any], None]) -> Any:
    for choice in answer.get("choices", ()):
        change(choice)
    return answer


def raise_logprobs(choice: Any) -> None:
    if (choice.get("logprobs") or {}).get("token_logprobs"):
        choice["logprobs"]["token_logprobs"] = [0.5 for _ in choice["logprobs"]["token_logprobs"]]


def same_call_id(choice: Any) -> None:
    for call in choice.get("message", {}).get("tool_calls", ()):
        call["id"] = "call_1"


def cut_arguments(choice: Any) -> None:
    for call in choice.get("message", {}).get("tool_calls", ()):
        call["function"]["arguments"] = call["function"]["arguments"][:-1]


def stretched(exchange: Exchange, answer: Any) -> Any:
    for each in answer.get("data", ()):
        if isinstance(each.get("embedding"), list):
            each["embedding"] = [2 * number for number in each["embedding"]]
    return answer


def without_n(exchange: Exchange, answer: Any) -> Any:
    for name in ("CreateCompletionRequest", "CreateChatCompletionRequest"):
        answer.get("components", {}).get("schemas", {}).get(name, {}).get("properties", {}).pop("n", None)
    return answer


def cut_prompt(exchange: Exchange) -> None:
    prompt = exchange.fields.get("prompt")
    if isinstance(prompt, str):
        exchange.body = json.dumps(exchange.fields | {"prompt": prompt[:50]}).encode()


def refuse_unknown(exchange: Exchange) -> None:
    if "a_field_of_the_future" in exchange.fields:
        exchange.body = b'{"prompt": 5, "messages": 5}'


def coerce(exchange: Exchange) -> None:
    if isinstance(exchange.fields.get("max_tokens"), bool | str):
        exchange.body = json.dumps(exchange.fields | {"max_tokens": 5}).encode()


def crash_on_text(exchange: Exchange) -> None:
    if exchange.path == "/extras/tokenize" and exchange.status == 200:
        exchange.status, exchange.answer = 500, b'{"error": {"message": "x", "type": "x", "param": null, "code": "x"}}'


def cut_the_end(exchange: Exchange) -> None:
    if exchange.is_stream:
        exchange.answer = exchange.answer[:-1]
