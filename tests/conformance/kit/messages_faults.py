"""Planted faults in Anthropic's Messages API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering, dropping

MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"


def _dropping(name: str, check: str) -> Fault:
    return replace(dropping(name, check, MESSAGES), name=f"ignores_{name}_of_messages")


def _told(path: str, **members: Any) -> Any:
    """Return a change that has answers at the path say this."""

    def change(exchange: Exchange, answer: Any) -> Any:
        return answer | members if exchange.path == path else answer

    return change


def _count_one_more(exchange: Exchange, answer: Any) -> Any:
    return {"input_tokens": answer["input_tokens"] + 1} if exchange.path == COUNT else answer


def _name_no_event(exchange: Exchange) -> None:
    if exchange.path == MESSAGES and exchange.is_stream:
        lines = exchange.answer.split(b"\n")
        exchange.answer = b"\n".join(line for line in lines if not line.startswith(b"event: "))


def _tell_as_openai(exchange: Exchange) -> None:
    if exchange.path == MESSAGES and exchange.status == 401:
        exchange.answer = json.dumps({"error": json.loads(exchange.answer)["error"]}).encode()


MESSAGES_FAULTS: list[Fault] = [
    answering("ends_its_turn_at_the_limit", "messages.answers", _told(MESSAGES, stop_reason="end_turn")),
    Fault("names_no_event", "messages.streams", after=_name_no_event),
    _dropping("stop_sequences", "messages.stop_sequences"),
    _dropping("seed", "messages.sampling"),
    _dropping("tool_choice", "messages.tools_are_called"),
    _dropping("output_config", "messages.output_format"),
    answering("counts_one_token_more", "messages.counts", _count_one_more),
    _dropping("metadata", "messages.members_are_read"),
    answering("answers_messages_as_another", "messages.model", _told(MESSAGES, model="another")),
    Fault("refuses_messages_as_openai", "messages.no_key_is_401", after=_tell_as_openai),
]
