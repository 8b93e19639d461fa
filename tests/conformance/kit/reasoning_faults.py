"""Planted faults of thoughts."""

from __future__ import annotations

from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering

CHAT = "/v1/chat/completions"


def thinking_aloud(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        message = choice.get("message", {})
        if message.get("content"):
            message["content"] = f"<think>\nHm.\n</think>\n\n{message['content']}"
    return answer


def thinking_plainly(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        if "message" in choice:
            choice["message"]["reasoning_content"] = "Hm."
    return answer


def counted(change: int | None) -> Any:
    def change_usage(exchange: Exchange, answer: Any) -> Any:
        if exchange.path == CHAT:
            usage = answer["usage"]
            usage["completion_tokens_details"] = (
                None if change is None else {"reasoning_tokens": usage["completion_tokens"] + change}
            )
        return answer

    return change_usage


def refuse_thoughts(exchange: Exchange) -> None:
    messages = exchange.fields.get("messages")
    if isinstance(messages, list) and any("reasoning_content" in each for each in messages if isinstance(each, dict)):
        exchange.body = b'{"messages": 5}'


def refuse_effort(exchange: Exchange) -> None:
    if "reasoning_effort" in exchange.fields:
        exchange.body = b'{"messages": 5}'


REASONING_FAULTS: list[Fault] = [
    answering("thinks_aloud", "reasoning.is_no_content", thinking_aloud),
    answering("streams_no_thoughts", "reasoning.is_no_content", thinking_plainly),
    answering("counts_no_thoughts", "reasoning.is_counted", counted(None)),
    answering("counts_more_thoughts_than_tokens", "reasoning.is_counted", counted(1)),
    Fault("refuses_its_thoughts", "reasoning.is_taken_back", before=refuse_thoughts),
    Fault("refuses_efforts", "reasoning.is_taken_back", before=refuse_effort),
]
