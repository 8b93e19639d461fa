"""Fields of other servers that are not served: refused by name unless they ask for nothing, and documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from jan_ort.http.reading.other_names import HONOURED
from jan_ort.http.reading.refused_fields import MEMBERS, OTHER_NAMES, REFUSED
from jan_ort.http.reading.remedies import remedy
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest, CreateEmbeddingRequest
from tests.http.fields.asking import GREEDY, body_of, said
from tests.http.fields.offering import tool
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post

SOMETHING: Any = {"neutral": "nowhere"}
"""A value that asks for something in every field of the table."""

FIELDS = {
    COMPLETIONS: REFUSED[CreateCompletionRequest],
    CHAT: REFUSED[CreateChatCompletionRequest],
    EMBEDDINGS: REFUSED[CreateEmbeddingRequest],
}
PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


@pytest.mark.parametrize("path", FIELDS)
async def test_each_field_of_the_table_is_refused_by_its_name(client: Client, path: str) -> None:
    plain = {"input": "a"} if path == EMBEDDINGS else body_of(path)

    for name in FIELDS[path]:
        status, answer = await post(client, path, plain | {name: SOMETHING})

        assert (name, status, answer["error"]["param"]) == (name, 400, name)


@pytest.mark.parametrize("body", REFUSED)
def test_a_remedy_names_what_the_body_has(body: type[BaseModel]) -> None:
    remedies = {name: re.match(r"use ([a-z_]+)", remedy(body, name)) for name in REFUSED[body]}
    known = {*body.model_fields, *(HONOURED if "Completion" in body.__name__ else ()), "the"}

    assert {name: used[1] for name, used in remedies.items() if used and used[1] not in known} == {}


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("at", [0, -1])
async def test_values_that_ask_for_nothing_change_nothing(client: Client, path: str, at: int) -> None:
    nothing = {name: (*values, None)[at] for name, values in FIELDS[path].items()}

    assert await said(client, path, **GREEDY | nothing) == await said(client, path, **GREEDY)


@pytest.mark.parametrize(
    ("name", "value"), [("stop_sequences", ["a"]), ("random_seed", 0), ("num_predict", 7), ("mirostat", 2)]
)
async def test_another_name_of_our_field_may_repeat_it_only(client: Client, name: str, value: Any) -> None:
    own = OTHER_NAMES[name]

    repeated, alone, differing = [
        await post(client, CHAT, {"messages": HELLO, "max_tokens": 6, name: value} | each)
        for each in ({own: value}, {}, {own: [] if value == ["a"] else 1})
    ]

    assert repeated[0] == 200
    for status, answer in (alone, differing):
        assert (status, answer["error"]["param"]) == (400, name)
        assert own in answer["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": {"type": "json_object", "value": {"type": "object"}}}, "response_format.value"),
        ({"response_format": {"type": "text", "pattern": "a"}}, "response_format.pattern"),
        ({"stream": True, "stream_options": {"continuous_usage_stats": True}}, "stream_options.continuous_usage_stats"),
        ({"messages": [*HELLO, HELLO[0] | {"images": ["aa"]}]}, "messages.1.images"),
        ({"tools": [tool("f"), tool("g") | {"strict": True}]}, "tools.1.strict"),
        ({"tools": [tool("f") | {"parameters": {"type": "object"}}]}, "tools.0.parameters"),
    ],
    ids=str,
)
async def test_a_field_at_a_level_without_effect_is_refused_by_its_place(
    client: Client, fields: dict[str, Any], param: str
) -> None:
    status, answer = await post(client, CHAT, {"messages": HELLO, "max_tokens": 1} | fields)

    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize("name", ["prefix", "partial"])
async def test_a_last_message_that_is_begun_is_continued(client: Client, name: str) -> None:
    begun = {"role": "assistant", "content": "one two"}

    by_message = await said(client, CHAT, **GREEDY, messages=[*HELLO, begun | {name: True}])
    by_field = await said(client, CHAT, **GREEDY, messages=[*HELLO, begun], continue_final_message=True)
    turned_off = await said(client, CHAT, **GREEDY, messages=[*HELLO, begun | {name: False}])

    assert by_message == by_field != turned_off == await said(client, CHAT, **GREEDY, messages=[*HELLO, begun])


def test_each_field_of_the_table_is_documented() -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = {name for fields in REFUSED.values() for name in fields} | {each for of in MEMBERS.values() for each in of}

    assert {name for name in names if f"`{name}`" not in page and f".{name}`" not in page} == set()
