"""What is said of schemas and of thinking."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema_rs
import pytest

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.fields.asking import FREE, ask, refused, said
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving
from tests.http.scripted import model_folder, scripted

THINKS = "{% for m in messages %}{{ m.role }}: {{ m.content.split('</think>')[-1] }}\n{% endfor %}"
KWARGS: list[dict[str, Any]] = [{"enable_thinking": False}, {"unknown": 1}]
COUNT = "/extras/tokenize/count"
TREE = {
    "$defs": {
        "node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
    },
    "$ref": "#/$defs/node",
}
BOOLEAN: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"properties": {"x": {"type": "boolean"}}, "required": ["x"]}},
}


def schema(held: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": held}}}


@COMPLAINTS.of("D1")
async def a_schema_in_the_wrong_place_is_refused(client: Client, line: Line) -> None:
    for given in ({"schema": {"type": "object"}}, {"json_schema": {"name": "x"}}, {}):
        status, param = await refused(
            client, CHAT, {"messages": HELLO, "response_format": {"type": "json_schema"} | given}
        )
        assert (status, param.startswith("response_format")) == (400, True)


@COMPLAINTS.of("D2")
async def a_schema_that_cannot_be_held_is_refused(client: Client, line: Line) -> None:
    for held in ({"type": "string", "pattern": "("}, {"not": {"pattern": "a"}}, {"not": {}}):
        assert (await refused(client, CHAT, {"messages": HELLO} | schema(held)))[0] == 400


@COMPLAINTS.of("D4")
async def a_date_time_can_be_read(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE | {"max_tokens": 60}, **schema({"type": "string", "format": "date-time"}))

    assert datetime.fromisoformat(json.loads(text).upper().replace("Z", "+00:00")).tzinfo is not None


@COMPLAINTS.of("D5")
async def a_recursive_schema_is_held(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE | {"max_tokens": 60}, **schema(TREE))

    assert jsonschema_rs.is_valid(TREE, json.loads(text))


@COMPLAINTS.of("D6")
async def the_empty_schema_ends(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, **FREE | {"max_tokens": 200}, **schema({}))

    json.loads(answer["choices"][0]["message"]["content"])


@COMPLAINTS.of("D7")
async def a_schema_holds_what_follows_the_thought(client: Client, line: Line) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        folder = model_folder(Path(directory), f"{THINKS}<think>\n")
        scripted(patch, folder).say('Well, so: {.\n</think>\n\n{"x": true}')
        async with serving(model=str(folder)) as app:
            fields = FREE | {"max_tokens": 120, "response_format": BOOLEAN}
            answer = await ask(app.test_client(), CHAT, **fields)

    message = answer["choices"][0]["message"]
    assert json.loads(message["content"]) == {"x": True}
    assert message["reasoning_content"] == message["reasoning"] == "Well, so: {."


@COMPLAINTS.of("E2")
async def thinking_is_turned_off_in_the_prompt(client: Client, line: Line) -> None:
    switch = "{% if enable_thinking is defined and not enable_thinking %}{{ 12345 }}{% endif %}"
    with TemporaryDirectory() as directory:
        folder = model_folder(Path(directory), THINKS + switch)
        async with serving(model=str(folder)) as app:
            counts = [
                (await post(app.test_client(), COUNT, {"messages": HELLO} | fields))[1]["count"]
                for fields in ({}, *({"chat_template_kwargs": each} for each in KWARGS), {"reasoning_effort": "none"})
            ]

    assert [count - counts[0] for count in counts] == [0, 5, 0, 5]


@COMPLAINTS.of("E3")
async def a_history_of_thoughts_is_taken(client: Client, line: Line) -> None:
    for name in ("reasoning_content", "reasoning"):
        thought = {"role": "assistant", "content": "hi", name: "well"}
        await ask(client, CHAT, messages=[*HELLO, thought, *HELLO], max_tokens=1)
