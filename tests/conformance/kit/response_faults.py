"""Planted faults of responses."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering, streaming

RESPONSES = "/v1/responses"


def sent(name: str, value: Any) -> Any:
    """Return what makes the server read a field as ``value``, None for as if it were not there."""

    def change(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path == RESPONSES and name in fields:
            others = {key: each for key, each in fields.items() if key != name}
            exchange.body = json.dumps(others if value is None else others | {name: value}).encode()

    return change


def shouting(exchange: Exchange, answer: Any) -> Any:
    for item in answer.get("output", ()) if exchange.path == RESPONSES else ():
        for part in item.get("content", ()):
            part["text"] = part["text"].upper() + "!"
    return answer


def without_input(exchange: Exchange, answer: Any) -> Any:
    return answer | {"data": []} if exchange.path.endswith("/input_items") else answer


def answer_deleted_ones(exchange: Exchange) -> None:
    if exchange.status == 404 and exchange.path.startswith(f"{RESPONSES}/resp_"):
        exchange.status = 200


RESPONSE_FAULTS: list[Fault] = [
    answering("responses_say_something_else", "responses.says_what_a_chat_says", shouting),
    streaming(
        "responses_lose_an_event",
        "responses.events_in_order",
        lambda frames: [frame for frame in frames if "response.in_progress" not in frame.split("\n")[0]],
    ),
    Fault("responses_ignore_the_format", "responses.format_and_call", before=sent("text", None)),
    Fault("responses_forget", "responses.goes_on_by_id", before=sent("previous_response_id", None)),
    answering("responses_forget_their_input", "responses.are_kept_and_deleted", without_input),
    Fault("responses_outlive_their_end", "responses.are_kept_and_deleted", after=answer_deleted_ones),
    Fault("responses_leave_tools_out", "responses.refuses_other_tools", before=sent("tools", None)),
    Fault("responses_take_any_metadata", "responses.wrong_types_are_refused", before=sent("metadata", None)),
]
