"""Planted faults of several choices and prompts, of finish reasons, usages and identities."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks

COMPLETIONS = "/v1/completions"
SWAPPED = {"length": "stop", "stop": "length"}


def swap_reason(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        choice["finish_reason"] = SWAPPED.get(choice["finish_reason"], choice["finish_reason"])
    return answer


def second(change: Callable[[Exchange, Any], None]) -> Callable[[Exchange, Any], Any]:
    """Change the choices after the first."""

    def change_all(exchange: Exchange, answer: Any) -> Any:
        for choice in answer.get("choices", ()):
            if choice["index"] > 0:
                change(exchange, choice)
        return answer

    return change_all


def length_at_an_end(exchange: Exchange, answer: Any) -> Any:
    """Call what is complete cut, unless a stop string ended it."""
    return swap_reason(exchange, answer) if "grammar" in exchange.fields else answer


def without_reason(_: Exchange, choice: Any) -> None:
    choice["finish_reason"] = None


def add_usage(**added: int) -> Callable[[Exchange, Any], Any]:
    def change(_: Exchange, answer: Any) -> Any:
        for name, number in added.items() if answer.get("usage") else ():
            answer["usage"][name] += number
        return answer

    return change


def usage_of_one_prompt(exchange: Exchange, answer: Any) -> Any:
    prompts = exchange.fields.get("prompt")
    if isinstance(prompts, list) and len(prompts) == 2:
        usage = answer["usage"]
        usage["prompt_tokens"] -= 1
        usage["total_tokens"] -= 1
    return answer


def more_cached_than_read(_: Exchange, answer: Any) -> Any:
    usage = answer.get("usage") or {}
    if "prompt_tokens_details" in usage:
        usage["prompt_tokens_details"]["cached_tokens"] = usage["prompt_tokens"] + 5
    return answer


def by_choice_first(exchange: Exchange, answer: Any) -> Any:
    """Order the choices of several prompts choice by choice."""
    n, choices = exchange.fields.get("n") or 1, answer.get("choices", [])
    if n > 1 and len(choices) > n:
        answer["choices"] = [choices[start + i] for i in range(n) for start in range(0, len(choices), n)]
        for index, choice in enumerate(answer["choices"]):
            choice["index"] = index
    return answer


def all_first(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()) if isinstance(exchange.fields.get("prompt"), list) else ():
        choice["index"] = 0
    return answer


def lose_echo(exchange: Exchange, choice: Any) -> None:
    prompt = exchange.fields.get("prompt")
    if exchange.fields.get("echo") and isinstance(prompt, list):
        choice["text"] = next(choice["text"].removeprefix(each) for each in prompt if choice["text"].startswith(each))


def add_stop(exchange: Exchange, choice: Any) -> None:
    stop = exchange.fields.get("stop")
    if isinstance(stop, str) and "text" in choice:
        choice["text"] += stop


def without_of_several(name: str, check: str, *fields: str) -> Fault:
    """The server ignores fields in requests of several choices."""

    def change(exchange: Exchange) -> None:
        asked = exchange.fields
        if (asked.get("n") or 1) > 1:
            exchange.body = json.dumps({key: value for key, value in asked.items() if key not in fields}).encode()

    return Fault(name, check, before=change)


def setting(**members: Any) -> Callable[[Exchange, Any], Any]:
    def change(_: Exchange, answer: Any) -> Any:
        return answer | members if "choices" in answer else answer

    return change


def in_milliseconds(_: Exchange, answer: Any) -> Any:
    return answer | {"created": answer["created"] * 1000} if "choices" in answer else answer


_FINISH = "finish.is_told_of_every_choice"
_USAGE = "usage.is_the_same_in_streams"

CHOICE_FAULTS: list[Fault] = [
    in_chunks("swaps_reasons_in_streams", _FINISH, swap_reason),
    answering("tells_no_second_reason", _FINISH, second(without_reason)),
    in_chunks("tells_no_second_reason_in_streams", _FINISH, second(without_reason)),
    answering("calls_a_whole_text_cut", _FINISH, length_at_an_end),
    in_chunks("counts_fewer_tokens_in_streams", _USAGE, add_usage(completion_tokens=-1, prompt_tokens=1)),
    in_chunks("counts_more_in_streams", _USAGE, add_usage(completion_tokens=1, total_tokens=1)),
    answering("counts_two_prompts_as_fewer", "usage.counts_every_prompt", usage_of_one_prompt),
    answering("caches_more_than_it_reads", "usage.cached_tokens_are_of_the_prompt", more_cached_than_read),
    answering("orders_by_choice_first", "choices.are_in_order", by_choice_first),
    answering("has_first_choices_only", "choices.are_in_order", all_first),
    in_chunks("streams_first_choices_only", "choices.are_in_order", all_first),
    answering("echoes_in_the_first_choice_only", "echo.is_of_every_choice", second(lose_echo)),
    without_of_several("binds_one_choice_by_grammars", "grammar.holds_for_every_choice", "grammar"),
    without_of_several("binds_one_choice_by_schemas", "schema_output.holds_for_every_choice", "response_format"),
    answering("leaks_stops_of_other_choices", "stop.holds_for_every_choice", second(add_stop)),
    answering("has_one_id", "answer.is_of_its_own", setting(id="cmpl-0")),
    answering("creates_at_zero", "answer.is_of_its_own", setting(created=0)),
    answering("creates_in_milliseconds", "answer.is_of_its_own", in_milliseconds),
    in_chunks("streams_another_model", "answer.is_of_its_own", setting(model="gpt-x")),
]
