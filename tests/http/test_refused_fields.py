"""Fields of other servers that are not served: refused by name unless they ask for nothing, and documented."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from jan_ort.http.reading.harmless_fields import HARMLESS
from jan_ort.http.reading.other_names import HONOURED, LIMITS, PENALTIES
from jan_ort.http.reading.refused_fields import MEMBERS, REFUSED
from jan_ort.http.reading.refused_of_texts import OTHER_NAMES
from jan_ort.http.reading.remedies import remedy
from jan_ort_openapi import operations
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest
from tests.http.cases.case_lines import FOLDER
from tests.http.fields.asking import FREE, GREEDY, body_of, said, texts
from tests.http.fields.offering import tool
from tests.http.handlers.serving import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    EVERY_TASK,
    HELLO,
    Client,
    post,
    serving,
    told,
)

SOMETHING: Any = {"neutral": "nowhere"}
"""A value that asks for something in every field of the table."""

FIELDS = {each.path: REFUSED[each.request_model] for each in operations() if each.request_model in REFUSED}
OWN = {each.path: set(each.request_model.model_fields) for each in operations() if each.request_model}
BODIES: dict[str, dict[str, Any]] = {
    COMPLETIONS: {},
    CHAT: {"messages": HELLO},
    EMBEDDINGS: {"input": "a"},
    "/v1/rerank": {"query": "a", "documents": ["b"]},
    "/v1/score": {"text_1": "a", "text_2": "b"},
    "/v1/responses": {"input": "a"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 1},
    "/v1/messages/count_tokens": {"messages": HELLO},
    "/api/chat": {"messages": HELLO},
    "/api/generate": {"prompt": "a"},
    "/api/embed": {"input": "a"},
    "/api/embeddings": {"prompt": "a"},
}
PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


@pytest.mark.parametrize("path", FIELDS)
async def test_each_field_of_the_table_is_refused_by_its_name(path: str) -> None:
    async with serving(**EVERY_TASK) as app:
        for name in FIELDS[path].keys() - OWN[path] - BODIES[path].keys():
            status, answer = await post(app.test_client(), path, BODIES[path] | {name: SOMETHING})

            assert (name, status, told(answer)["param"]) == (name, 400, name)


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


OURS = {
    name: (own, value)
    for name, own, value in [
        *(
            (name, "stop", ["e", "a"])
            for name in ("stop_sequences", "stopSequences", "stopping_strings", "stop_strings")
        ),
        ("stop_sequence", "stop", "e"),
        ("stop_words", "stop", ["e"]),
        ("random_seed", "seed", 11),
        ("sampler_seed", "seed", 11),
        ("sampling_seed", "seed", 11),
        *((name, "max_tokens", 7) for name in ("num_predict", "max_output_tokens", "max_gen_len")),
        ("min_new_tokens", "min_tokens", 20),
        ("min_completion_tokens", "min_tokens", 20),
        ("mirostat", "mirostat_mode", 2),
        ("mirostat_target", "mirostat_tau", 0.5),
        ("mirostat_lr", "mirostat_eta", 1),
        ("rep_pen", "repeat_penalty", 3),
        ("repetition_penalty", "repeat_penalty", 3),
        ("grammar_string", "grammar", 'root ::= "yes" | "no"'),
        ("regex_pattern", "regex", "yes|no"),
        ("n_cmpl", "n", 2),
        ("ban_eos_token", "ignore_eos", True),
    ]
}
"""Names of other servers, each with ours and a value that changes the text."""
DIFFERS = {"stop": "zz", "grammar": 'root ::= "no"', "regex": "no", "ignore_eos": False}


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize("name", OURS)
async def test_another_name_of_our_field_is_honoured_and_may_repeat_it_only(
    client: Client, path: str, name: str
) -> None:
    own, value = OURS[name]
    plain = {key: each for key, each in body_of(path, **FREE).items() if key != own}
    plain |= {"mirostat_mode": 2} if own in ("mirostat_tau", "mirostat_eta") else {}

    ours, theirs, both = [
        texts((await post(client, path, plain | each))[1])
        for each in ({own: value}, {name: value}, {own: value, name: value})
    ]
    status, answer = await post(client, path, plain | {name: value, own: DIFFERS.get(own, 1 if value != 1 else 0.5)})

    assert ours == theirs == both
    assert (status, answer["error"]["param"]) == (400, name)
    assert own in answer["error"]["message"]


def test_each_other_name_is_tested() -> None:
    assert {*OTHER_NAMES, *LIMITS[4:], *PENALTIES[1:]} == OURS.keys()


@pytest.mark.parametrize("name", ["stop_strings", "sampler_seed", "mirostat", "n_cmpl"])
async def test_another_name_with_what_the_field_cannot_be_is_refused_by_that_name(client: Client, name: str) -> None:
    status, answer = await post(client, CHAT, {"messages": HELLO, name: {"x": 1}})

    assert (status, answer["error"]["param"]) == (400, name)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_how_far_a_penalty_reaches_is_nothing_without_one(client: Client, path: str) -> None:
    without = {"repeat_last_n": 0, "rep_pen_range": 2048, "rep_pen_slope": 1} | GREEDY

    assert await said(client, path, **without) == await said(client, path, **GREEDY)
    for penalty in ({"repeat_penalty": 1.2}, {"presence_penalty": 1}, {"frequency_penalty": 1}):
        status, answer = await post(client, path, body_of(path, **without | penalty))
        assert (status, answer["error"]["param"]) == (400, "rep_pen_range")


SERVERS: dict[str, list[str]] = json.loads((FOLDER / "fields_of_servers.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("body", [CreateChatCompletionRequest, CreateCompletionRequest])
@pytest.mark.parametrize("server", SERVERS)
def test_each_field_of_another_server_is_honoured_or_refused_or_harmless(body: type[BaseModel], server: str) -> None:
    for name in SERVERS[server]:
        is_own, is_refused = name in body.model_fields, name in REFUSED[body]
        classes = [is_own or (name in HONOURED and not is_refused), is_refused, name in HARMLESS and not is_own]

        assert classes.count(True) == 1, (name, classes)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
async def test_what_is_harmless_changes_nothing_and_is_not_logged(
    client: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    given = dict.fromkeys(HARMLESS - OWN[path], SOMETHING)

    assert await said(client, path, **GREEDY | given) == await said(client, path, **GREEDY)
    assert "has no effect" not in caplog.text


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
    names |= HARMLESS | OURS.keys()

    assert {name for name in names if f"`{name}`" not in page and f".{name}`" not in page} == set()
