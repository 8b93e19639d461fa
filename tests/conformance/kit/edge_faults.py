"""Planted faults at the edges of requests: parts of results, token ids, half characters, headers, leaving clients."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering
from tests.conformance.kit.member_faults import CHAT
from tests.conformance.kit.twin_faults import COMPLETIONS
from tests.conformance.kit.wider_faults import asking

Fields = dict[str, Any]


def without_parts_of_results(fields: Fields) -> Fields:
    messages = fields.get("messages")
    if not isinstance(messages, list):
        return {}
    is_one = [isinstance(each, dict) and each.get("role") == "tool" for each in messages]
    return {
        "messages": [
            each | {"content": ""} if one and isinstance(each.get("content"), list) else each
            for each, one in zip(messages, is_one, strict=True)
        ]
    }


def without_echo_of_ids(fields: Fields) -> Fields:
    """Echo a prompt that is a text, and none of token ids."""
    prompt = fields.get("prompt")
    is_text = isinstance(prompt, str) or (isinstance(prompt, list) and all(isinstance(each, str) for each in prompt))
    return {} if is_text else {"echo": False}


def refuse_charsets(exchange: Exchange) -> None:
    if ";" in exchange.headers.get("content-type", ""):
        exchange.status = 415


def fail_at_half_characters(exchange: Exchange) -> None:
    if b"\\ud83d" in exchange.body:
        exchange.status = 500


def created_when_asked(exchange: Exchange, answer: Any) -> Any:
    if exchange.path == "/v1/models":
        answer = answer | {"data": [each | {"created": int(time.time())} for each in answer["data"]]}
    return answer


EDGE_FAULTS: list[Fault] = [
    asking("reads_no_parts_of_results", "chat.parts_of_results_are_read", without_parts_of_results, CHAT),
    asking("echoes_no_token_ids", "echo.of_token_ids_is_their_text", without_echo_of_ids, COMPLETIONS),
    Fault("refuses_charsets", "http.content_type_may_have_a_charset", after=refuse_charsets),
    Fault("fails_at_half_characters", "refusal.half_a_character_is_no_5xx", after=fail_at_half_characters),
    answering("was_created_when_asked", "models.keep_their_created", created_when_asked),
    Fault("works_on_for_who_left", "connection.leaving_ends_the_work"),
]
