"""Fields that say which functions a model may call: in either spelling, they change the prompt and force calls."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.fields.asking import FREE, GREEDY, ask, body_of, refused, streamed, texts
from tests.http.fields.offering import choice_of, function, tool
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT, Client, post

REQUEST = "CreateChatCompletionRequest"
TOOL, TOOL_FUNCTION = "ChatCompletionTool", "ChatCompletionToolFunction"
NAMED_CHOICE, NAMED_FUNCTION = "ChatCompletionNamedToolChoice", "ChatCompletionNamedToolChoiceFunction"
FUNCTION, NAMED_CALL = "ChatCompletionFunction", "ChatCompletionRequestFunctionCallOption"

CALLING = FREE | {"max_tokens": 200}


def calls(answer: Any) -> list[tuple[str, object]]:
    """Return name and arguments of each call of the only choice."""
    message = answer["choices"][0]["message"]
    called = [call["function"] for call in message.get("tool_calls", [])]
    called += [message["function_call"]] if "function_call" in message else []
    return [(each["name"], json.loads(each["arguments"])) for each in called]


async def prompt_tokens(client: Client, **fields: Any) -> int:
    count: int = (await ask(client, CHAT, **GREEDY, **fields))["usage"]["prompt_tokens"]
    return count


@field(REQUEST, "tools", "functions")
@field(TOOL, "function")
@field(TOOL_FUNCTION, "name", "description", "parameters")
@field(FUNCTION, "name", "description", "parameters")
@pytest.mark.parametrize("spelling", ["tools", "functions"])
async def test_every_part_of_a_function_is_in_the_prompt(client: Client, spelling: str) -> None:
    make = tool if spelling == "tools" else function
    offers: list[Any] = [None, [make("f")], [make("function")], [make("f", description="Look.")], [make("f", "wide")]]

    none, least, *others = [await prompt_tokens(client, **{spelling: offer}) for offer in offers]

    assert all(none < least < other for other in others)
    assert await prompt_tokens(client, **{spelling: [make("f"), make("g")]}) > max(others)


@pytest.mark.parametrize("spelling", ["tools", "functions"])
async def test_a_function_without_parameters_is_called_without_arguments(client: Client, spelling: str) -> None:
    described: dict[str, Any] = {"name": "now"}
    offered = {"type": "function", "function": described} if spelling == "tools" else described
    forced = {"tool_choice": "required"} if spelling == "tools" else {"function_call": {"name": "now"}}

    left_out = await ask(client, CHAT, **CALLING, **{spelling: [offered]}, **forced)
    described["parameters"] = {"type": "object", "properties": {}}
    empty = await ask(client, CHAT, **CALLING, **{spelling: [offered]}, **forced)

    assert [name for name, _ in calls(left_out)] == ["now"]
    assert calls(left_out) == calls(empty)
    assert left_out["usage"]["prompt_tokens"] == empty["usage"]["prompt_tokens"]


@field(REQUEST, "functions", "tools")
async def test_functions_are_the_older_spelling_of_tools(client: Client) -> None:
    counts = [
        await prompt_tokens(client, **offer)
        for offer in ({"functions": [function("f"), function("g")]}, {"tools": [tool("f"), tool("g")]})
    ]

    assert counts[0] == counts[1]


@field(REQUEST, "tool_choice", "tools", "function_call", "functions")
@pytest.mark.parametrize(
    ("spelling", "choice"), [("tools", "tool_choice"), ("functions", "function_call")], ids=["tools", "functions"]
)
async def test_none_leaves_the_functions_out_and_auto_is_the_default(
    client: Client, spelling: str, choice: str
) -> None:
    offer = {spelling: [tool("f") if spelling == "tools" else function("f")]}

    without, none, auto, default = [
        await ask(client, CHAT, **GREEDY, **fields)
        for fields in ({}, offer | {choice: "none"}, offer | {choice: "auto"}, offer)
    ]

    assert none["choices"] == without["choices"]
    assert none["usage"]["prompt_tokens"] == without["usage"]["prompt_tokens"] < auto["usage"]["prompt_tokens"]
    assert auto["choices"] == default["choices"]


@field(REQUEST, "tool_choice")
async def test_required_makes_calls_of_the_tools(client: Client) -> None:
    answer = await ask(client, CHAT, **CALLING, tools=[tool("f", "a"), tool("g", "b")], tool_choice="required")

    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert answer["choices"][0]["message"]["content"] is None
    assert calls(answer)
    assert set(map(str, calls(answer))) <= {str(("f", {"at": "a"})), str(("g", {"at": "b"}))}


@field(REQUEST, "tool_choice")
@field(NAMED_CHOICE, "function")
@field(NAMED_FUNCTION, "name")
@field(TOOL_FUNCTION, "name", "parameters")
@pytest.mark.parametrize(("name", "value"), [("f", "a"), ("g", "b")])
async def test_a_named_choice_calls_that_tool_once(client: Client, name: str, value: str) -> None:
    answer = await ask(client, CHAT, **CALLING, tools=[tool("f", "a"), tool("g", "b")], tool_choice=choice_of(name))

    assert calls(answer) == [(name, {"at": value})]


@field(REQUEST, "function_call", "functions")
@field(NAMED_CALL, "name")
@field(FUNCTION, "name", "parameters")
@pytest.mark.parametrize(("name", "value"), [("f", "a"), ("g", "b")])
async def test_a_named_function_is_called(client: Client, name: str, value: str) -> None:
    offer = {"functions": [function("f", "a"), function("g", "b")], "function_call": {"name": name}}

    answer = await ask(client, CHAT, **CALLING, **offer)

    assert calls(answer) == [(name, {"at": value})]
    assert "function_call" in answer["choices"][0]["message"]


@field(REQUEST, "parallel_tool_calls")
@pytest.mark.parametrize(
    ("fields", "several"), [({}, True), ({"parallel_tool_calls": True}, True), ({"parallel_tool_calls": False}, False)]
)
async def test_parallel_tool_calls_says_whether_there_may_be_several(
    client: Client, fields: dict[str, bool], several: bool
) -> None:
    newline = {"logit_bias": {"10": 100}}  # after a call, a line break leads to the next one
    offer = CALLING | newline | {"tools": [tool("f")], "tool_choice": "required"} | fields

    answer = await ask(client, CHAT, **offer)

    assert (len(answer["choices"][0]["message"]["tool_calls"]) > 1) == several


@field(REQUEST, "tools", "tool_choice")
async def test_a_streamed_call_is_the_same_call(client: Client) -> None:
    fields = CALLING | {"tools": [tool("f", "a")], "tool_choice": choice_of("f")}
    whole = calls(await ask(client, CHAT, **fields))

    chunks = await streamed(client, CHAT, **fields, stream=True)

    pieces = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    names = [piece["function"]["name"] for piece in pieces if "name" in piece["function"]]
    arguments = "".join(piece["function"]["arguments"] for piece in pieces)
    assert [*zip(names, [json.loads(arguments)], strict=True)] == whole
    assert len({piece["id"] for piece in pieces if "id" in piece}) == 1


@field(REQUEST, "tools", "functions")
async def test_calls_of_several_choices_have_ids_of_their_own(client: Client) -> None:
    fields = CALLING | {"tools": [tool("f", "a")], "tool_choice": choice_of("f"), "n": 3}

    choices = (await ask(client, CHAT, **fields))["choices"]

    assert len({call["id"] for choice in choices for call in choice["message"]["tool_calls"]}) == 3


@field(REQUEST, "tools", "tool_choice", "functions", "function_call", "parallel_tool_calls")
@field(TOOL, "type", "function")
@field(TOOL_FUNCTION, "name", "description", "parameters")
@field(FUNCTION, "name", "description", "parameters")
@field(NAMED_CHOICE, "type", "function")
@field(NAMED_FUNCTION, "name")
@field(NAMED_CALL, "name")
@pytest.mark.parametrize(
    ("fields", "status", "name"),
    [
        ({"tools": 5}, 422, "tools"),
        ({"tools": [tool("f") | {"type": "program"}]}, 422, "tools.0.type"),
        ({"tools": [{"type": "function"}]}, 422, "tools.0.function"),
        ({"tools": [tool("f", description=5)]}, 422, "tools.0.function.description"),
        ({"tools": [tool("f"), tool("f")]}, 400, "tools.1.function.name"),
        ({"tools": [tool("two words")]}, 400, "tools.0.function.name"),
        ({"tools": [tool("f", parameters={"type": "string"}, strict=True)]}, 400, "tools.0.function.parameters.type"),
        ({"tools": [tool("f", parameters=5)]}, 422, "tools.0.function.parameters"),
        ({"functions": [function("")]}, 400, "functions.0.name"),
        (
            {"functions": [function("f", parameters={"required": 5})], "function_call": {"name": "f"}},
            400,
            "functions.0.parameters.required",
        ),
        ({"functions": [function("f", description=5)]}, 422, "functions.0.description"),
        ({"tools": [tool("f")], "functions": [function("f")]}, 400, "functions"),
        ({"tools": [tool("f")], "tool_choice": "any"}, 422, "tool_choice"),
        ({"tools": [tool("f")], "tool_choice": choice_of("g")}, 400, "tool_choice"),
        ({"tools": [tool("f")], "tool_choice": choice_of("f") | {"type": "x"}}, 422, "tool_choice.type"),
        ({"tools": [tool("f")], "tool_choice": {"type": "function"}}, 422, "tool_choice.function"),
        ({"tools": [tool("f")], "tool_choice": {"type": "function", "function": {}}}, 422, "tool_choice.function.name"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"tools": [tool("f")], "function_call": "auto"}, 400, "function_call"),
        ({"functions": [function("f")], "function_call": {"name": "g"}}, 400, "function_call"),
        ({"functions": [function("f")], "function_call": {}}, 422, "function_call.name"),
        ({"functions": [function("f")], "tool_choice": "auto"}, 400, "tool_choice"),
        ({"tools": [tool("f")], "parallel_tool_calls": 1}, 422, "parallel_tool_calls"),
    ],
)
async def test_what_cannot_be_called_is_refused_by_name(
    client: Client, fields: dict[str, Any], status: int, name: str
) -> None:
    assert await refused(client, CHAT, body_of(CHAT, **fields)) == (status, name)


@field(TOOL_FUNCTION, "parameters")
@field(FUNCTION, "parameters")
@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [tool("f", parameters={"properties": {"at": {"type": "x"}}})], "tool_choice": "required"},
        {"functions": [function("f", parameters={"properties": {"at": 5}})], "function_call": {"name": "f"}},
    ],
    ids=["tools", "functions"],
)
async def test_parameters_that_are_no_schema_are_refused_by_name(client: Client, fields: dict[str, Any]) -> None:
    status, name = await refused(client, CHAT, body_of(CHAT, **fields))

    assert (status, name.partition(".")[0]) == (400, next(iter(fields)))


@field(REQUEST, "tool_choice")
async def test_a_choice_without_tools_asks_for_nothing(client: Client) -> None:
    plain, none, auto = [
        texts(await ask(client, CHAT, **GREEDY, **fields))
        for fields in ({}, {"tool_choice": "none"}, {"tool_choice": "auto"})
    ]

    assert plain == none == auto


@field(TOOL_FUNCTION, "strict")
@pytest.mark.parametrize(("strict", "status"), [(True, 400), (False, 200), (None, 200), ("yes", 422)])
async def test_a_strict_tool_must_have_a_schema_that_can_be_kept(client: Client, strict: object, status: int) -> None:
    offered = tool("f", parameters={"properties": {"at": {"type": "x"}}}, strict=strict)

    answered, _ = await post(client, CHAT, body_of(CHAT, tools=[offered], max_tokens=1))

    assert answered == status
