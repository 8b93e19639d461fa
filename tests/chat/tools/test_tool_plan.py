"""Fields of a request to one plan, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from jan_ort.chat.tools import ToolChoice, ToolError, ToolPlan, parse_tools
from jan_ort_openapi.models import CreateChatCompletionRequest

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "weather", "description": "Tell the weather.", "parameters": SCHEMA}
NOW = {"name": "now", "parameters": {}}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {}} | function}


TOOLS = [tool(**WEATHER), tool(**NOW)]
NAMED_NOW = {"type": "function", "function": {"name": "now"}}


def plan_of(**fields: Any) -> ToolPlan | None:
    return parse_tools(CreateChatCompletionRequest.model_validate(fields))


def given_plan(**fields: Any) -> ToolPlan:
    plan = plan_of(**fields)
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": []},
        {"tools": None, "functions": None},
        {"tool_choice": "none"},
        {"tool_choice": "auto"},
        {"function_call": "none"},
        {"functions": [], "function_call": "auto"},
    ],
)
def test_no_tools_are_no_plan(fields: dict[str, Any]) -> None:
    assert plan_of(**fields) is None


@pytest.mark.parametrize(
    ("choice", "kind", "names", "is_forced", "is_parallel"),
    [
        (None, ToolChoice.AUTO, {"weather", "now"}, False, True),
        ("auto", ToolChoice.AUTO, {"weather", "now"}, False, True),
        ("required", ToolChoice.REQUIRED, {"weather", "now"}, True, True),
        ("none", ToolChoice.NONE, set(), False, True),
        (NAMED_NOW, ToolChoice.NAMED, {"now"}, True, False),
    ],
)
def test_the_choice_says_what_may_be_called(
    choice: Any, kind: ToolChoice, names: set[str], is_forced: bool, is_parallel: bool
) -> None:
    plan = given_plan(tools=TOOLS, tool_choice=choice)

    assert (plan.choice, set(plan.by_name)) == (kind, names)
    assert (plan.is_forced, plan.is_parallel, plan.is_legacy) == (is_forced, is_parallel, False)


def test_parallel_calls_can_be_switched_off() -> None:
    assert not given_plan(tools=TOOLS, parallel_tool_calls=False).is_parallel


@pytest.mark.parametrize(
    ("choice", "kind", "names"),
    [
        (None, ToolChoice.AUTO, {"weather", "now"}),
        ("none", ToolChoice.NONE, set()),
        ({"name": "now"}, ToolChoice.NAMED, {"now"}),
    ],
)
def test_the_older_spelling_is_one_call_at_most(choice: Any, kind: ToolChoice, names: set[str]) -> None:
    plan = given_plan(functions=[WEATHER, NOW], function_call=choice)

    assert (plan.choice, set(plan.by_name)) == (kind, names)
    assert (plan.is_parallel, plan.is_legacy) == (False, True)


def test_templates_get_the_tools_with_a_description_each() -> None:
    plan = given_plan(tools=TOOLS)

    assert plan.template_tools() == [tool(**WEATHER), tool(**NOW, description="")]


def test_templates_get_every_tool_where_one_is_named_and_none_where_none_may_be_called() -> None:
    named = given_plan(tools=TOOLS, tool_choice=NAMED_NOW).template_tools()

    assert [entry["function"]["name"] for entry in named or ()] == ["weather", "now"]
    assert given_plan(tools=TOOLS, tool_choice="none").template_tools() is None


def test_strict_is_kept() -> None:
    plan = given_plan(tools=[tool(strict=True), tool(name="g", strict=False), tool(name="h", strict=None)])

    assert [entry.is_strict for entry in plan.tools] == [True, False, False]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tools": TOOLS, "functions": [NOW]}, "functions", "leave out 'functions'"),
        ({"tools": TOOLS, "function_call": "auto"}, "function_call", "give 'tool_choice'"),
        ({"functions": [NOW], "tool_choice": "auto"}, "tool_choice", "give 'function_call'"),
        ({"tool_choice": "required"}, "tool_choice", "a call is required, but there are no tools"),
        ({"tool_choice": NAMED_NOW}, "tool_choice", "a call of 'now' is required, but there are no tools"),
        ({"function_call": {"name": "now"}}, "function_call", "'functions' is empty"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "no"}}},
            "tool_choice",
            "'no' is not a function of this request; choose 'weather', 'now'",
        ),
        ({"functions": [NOW], "function_call": {"name": "no"}}, "function_call", "choose 'now'"),
        ({"tools": [tool(), tool(name="g"), tool()]}, "tools.2.function.name", "'f' is the name of more than one"),
        ({"functions": [NOW, NOW]}, "functions.1.name", "rename one of them"),
        ({"tools": [tool(name="")]}, "tools.0.function.name", "'' cannot name a function"),
        ({"tools": [tool(name="a b")]}, "tools.0.function.name", "letters, digits, '_', '-' and '.'"),
        ({"tools": [tool(name="é")]}, "tools.0.function.name", "'é' cannot name"),
        ({"tools": [tool(name="a" * 65)]}, "tools.0.function.name", "1 to 64"),
        ({"tools": [tool(name=f"f{at}") for at in range(129)]}, "tools", "there are 129 functions; at most 128"),
        (
            {"tools": [tool(parameters={"type": "array"}, strict=True)]},
            "tools.0.function.parameters.type",
            "'array', but arguments are an object",
        ),
        (
            {"tools": [tool(parameters={"type": ["object"]}, strict=True)]},
            "tools.0.function.parameters.type",
            "use 'type': 'object'",
        ),
        (
            {"functions": [{"name": "f", "parameters": {"properties": 5}}], "function_call": {"name": "f"}},
            "functions.0.parameters.properties",
            "is 5",
        ),
        (
            {"tools": [tool(parameters={"required": "city"}, strict=True)]},
            "tools.0.function.parameters.required",
            "a list of names",
        ),
        (
            {"tools": [tool(parameters={"required": [1]}, strict=True)]},
            "tools.0.function.parameters.required",
            "a list of names",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_by_its_place(fields: dict[str, Any], param: str, words: str) -> None:
    with pytest.raises(ToolError) as refused:
        plan_of(**fields)

    assert refused.value.param == param
    assert words in str(refused.value)


def test_a_name_may_have_64_characters_of_every_kind() -> None:
    name = "aZ0_-" + "x" * 59

    assert given_plan(tools=[tool(name=name)]).by_name.keys() == {name}


def test_a_message_does_not_repeat_a_long_value() -> None:
    with pytest.raises(ToolError) as refused:
        plan_of(tools=[tool(name="x" * 10_000)])

    assert len(str(refused.value)) < 200
