"""Conversations as clients send them back: text parts in every role, and calls that were cut off."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.fields.asking import GREEDY, said
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving

ROLES: dict[str, dict[str, Any]] = {
    "system": {},
    "developer": {},
    "user": {},
    "assistant": {},
    "tool": {"tool_call_id": "call_1"},
    "function": {"name": "look"},
}
GOES_THROUGH_NAMES = """\
{%- for tool in tools or [] -%}{{- tool | tojson -}}{%- endfor -%}
{%- for message in messages -%}
<|im_start|>{{ message.role }} {{ message.content }}
{%- for call in message.tool_calls or [] -%}
<tool_call>{{ call.function.name }}{% for name, value in call.function.arguments.items() %}{{ name }}={{ value }}
{%- endfor -%}
{%- endfor -%}
{%- endfor -%}
"""
"""A chat template that takes arguments for an object, and fails on a text."""


@pytest.mark.parametrize("role", ROLES)
async def test_text_parts_of_every_role_say_what_their_joined_text_says(client: Client, role: str) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]
    message = {"role": role} | ROLES[role]

    joined = await said(client, CHAT, **GREEDY, messages=[*HELLO, message | {"content": parts}])
    whole = await said(client, CHAT, **GREEDY, messages=[*HELLO, message | {"content": "Hello"}])
    half = await said(client, CHAT, **GREEDY, messages=[*HELLO, message | {"content": parts[:1]}])

    assert joined == whole != half


@pytest.mark.parametrize(
    "arguments", ['{"city": "Os', "", " ", "{", "[1]", "5", "null", "not JSON", '{"a": NaN}', r'{"a": "\ud83d"}']
)
@pytest.mark.parametrize("is_legacy", [False, True], ids=["tool_calls", "function_call"])
async def test_a_call_is_taken_back_however_it_was_cut_off(client: Client, arguments: str, is_legacy: bool) -> None:
    answers = []
    for each in (arguments, '{"at": 1}'):
        function = {"name": "look", "arguments": each}
        call = {"function_call": function} if is_legacy else {"tool_calls": [made(function)]}
        messages = [*HELLO, {"role": "assistant", "content": None, **call}, result(is_legacy), *HELLO]
        answers.append(await said(client, CHAT, **GREEDY, messages=messages))

    assert answers[0] != answers[1]


@pytest.mark.parametrize("arguments", [[], "[]"], ids=repr)
@pytest.mark.parametrize("is_legacy", [False, True], ids=["tool_calls", "function_call"])
async def test_an_empty_list_of_arguments_is_none_at_all(client: Client, arguments: object, is_legacy: bool) -> None:
    answers = []
    for each in (arguments, "{}"):
        function: dict[str, Any] = {"name": "look", "arguments": each}
        call = {"function_call": function} if is_legacy else {"tool_calls": [made(function)]}
        answers.append(
            await said(client, CHAT, **GREEDY, messages=[*HELLO, {"role": "assistant", **call}, result(is_legacy)])
        )

    assert answers[0] == answers[1]


@pytest.mark.parametrize("kind", ["input_text", "output_text"])
@pytest.mark.parametrize("role", ROLES)
async def test_text_parts_may_have_the_names_of_the_responses_api(client: Client, role: str, kind: str) -> None:
    answers = [
        await said(
            client,
            CHAT,
            **GREEDY,
            messages=[*HELLO, {"role": role, "content": [{"type": each, "text": "Hello"}]} | ROLES[role]],
        )
        for each in (kind, "text")
    ]

    assert answers[0] == answers[1]


async def test_a_template_that_goes_through_the_arguments_is_given_an_object_that_holds_their_text(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "names"
    shutil.copytree(FOLDER, folder)
    (folder / "chat_template.jinja").write_text(GOES_THROUGH_NAMES)
    call = made({"name": "look", "arguments": '{"city": "Os'})
    body = {"messages": [*HELLO, {"role": "assistant", "tool_calls": [call]}], "max_tokens": 1}
    async with serving(model=str(folder)) as app:
        status, answer = await post(app.test_client(), CHAT, body)

    assert status == 200, answer


def made(function: dict[str, Any]) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": function}


def result(is_legacy: bool) -> dict[str, Any]:
    if is_legacy:
        return {"role": "function", "name": "look", "content": "cut off"}
    return {"role": "tool", "tool_call_id": "call_1", "content": "cut off"}
