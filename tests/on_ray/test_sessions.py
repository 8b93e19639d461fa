"""Which session a request belongs to: all turns of a conversation the same, two conversations two."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jan_ort.http.session_id import response_prefix, session_name, session_of_response
from jan_ort.on_ray.sessions import continued_session, session_of, session_of_body, session_of_path

SYSTEM = {"role": "system", "content": "You are brief."}
FIRST = {"role": "user", "content": "What is a ring?"}
ANSWER = {"role": "assistant", "content": "A circle."}
SECOND = {"role": "user", "content": "And a hash?"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {}}}


def turns(first: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {"messages": [SYSTEM, first], **fields},
        {"messages": [SYSTEM, first, ANSWER, SECOND], "temperature": 0, **fields},
    )


@pytest.mark.parametrize("fields", [{}, {"model": "m"}, {"tools": [TOOL]}, {"system": "s"}])
def test_all_turns_of_a_conversation_are_one_session(fields: dict[str, Any]) -> None:
    first, second = turns(FIRST, **fields)

    assert session_of(first) == session_of(second) is not None


@pytest.mark.parametrize(
    "other",
    [
        {"messages": [SYSTEM, SECOND]},
        {"messages": [FIRST]},
        {"messages": [SYSTEM, FIRST], "model": "m"},
        {"messages": [SYSTEM, FIRST], "tools": [TOOL]},
        {"messages": [SYSTEM, FIRST], "prompt_cache_key": "k"},
    ],
)
def test_another_beginning_model_or_tool_is_another_session(other: dict[str, Any]) -> None:
    assert session_of(other) != session_of({"messages": [SYSTEM, FIRST]})


def test_a_mark_that_clients_move_from_turn_to_turn_tells_nothing() -> None:
    marked = {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}
    plain = {"role": "user", "content": [{"type": "text", "text": "a"}]}

    first, second = (json.dumps({"messages": [each]}).encode() for each in (marked, plain))

    assert session_of_body(first) == session_of_body(second)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"prompt_cache_key": "k", "previous_response_id": "r", "user": "u"}, "k"),
        ({"previous_response_id": "r", "user": "u"}, "r"),
        ({"user": "u", "messages": [FIRST]}, "u"),
        ({"metadata": {"user_id": "u"}, "messages": [FIRST]}, "u"),
    ],
)
def test_what_a_client_names_wins_over_what_it_says(body: dict[str, Any], named: str) -> None:
    assert session_of(body) == session_name(named)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"prompt": "x" * 300}, {"prompt": "x" * 300 + "more"}),
        ({"prompt": [1] * 300}, {"prompt": [1] * 301}),
        ({"input": [FIRST], "instructions": "i"}, {"input": [FIRST, ANSWER, SECOND], "instructions": "i"}),
    ],
)
def test_prompts_and_items_have_sessions_too(first: dict[str, Any], second: dict[str, Any]) -> None:
    assert session_of(first) == session_of(second) is not None


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"messages": []}', b"[" * 100_000, b'{"prompt": 1}'])
def test_a_body_that_tells_nothing_has_none(body: bytes) -> None:
    assert session_of_body(body) is None


def test_the_id_of_a_response_leads_back_to_its_session() -> None:
    session = session_name("k")
    identity = response_prefix(session) + "0" * 32

    assert session_of_response(identity) == session
    assert session_of_path(f"/v1/responses/{identity}/cancel") == session
    assert continued_session(b'{"previous_response_id": "%b"}' % identity.encode()) == session


@pytest.mark.parametrize("header", [None, "", "my-session", "A" * 16, "0" * 17])
def test_a_header_that_no_router_of_ours_has_set_is_in_no_id(header: str | None) -> None:
    assert response_prefix(header) == "resp_"


def test_an_id_without_a_session_leads_to_one_replica_all_the_same() -> None:
    identity = "resp_" + "0" * 32

    assert session_of_response(identity) is None
    assert session_of_path(f"/v1/responses/{identity}") == session_name(identity)
    assert session_of_path("/v1/responses") is None
