"""Grammars of forced calls, tried with llguidance on the reference model's tokenizer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llguidance import LLMatcher, LLTokenizer

from jan_ort.chat.formats import ToolFormat
from jan_ort.chat.formats.call_grammar import MAX_FORCED_CALLS, arguments_schema
from jan_ort.chat.tools import Tool, ToolPlan, parse_tools
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_openapi.models import CreateChatCompletionRequest
from tests.chat.tools.parsing import DESCRIBED, HERMES, LLAMA3, MISTRAL, MISTRAL_ARGS, parsed

TOKENIZER = LLTokenizer((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
WEATHER = {
    "name": "weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"$ref": "#/$defs/days"}},
        "required": ["city"],
        "$defs": {"days": {"type": "integer", "minimum": 1}},
    },
}
NOW = {"name": "now", "parameters": {}}
SPELLED = (HERMES, LLAMA3, MISTRAL, MISTRAL_ARGS, DESCRIBED)
"""Formats that ``answer`` can write; test_families.py has those of all."""
BERN = '{"city": "Bern", "days": 3}'


def plan_of(choice: Any = "required", **fields: Any) -> ToolPlan:
    tools = [{"type": "function", "function": function} for function in (WEATHER, NOW)]
    plan = parse_tools(CreateChatCompletionRequest.model_validate({"tools": tools, "tool_choice": choice, **fields}))
    assert plan is not None
    return plan


def written(tool_format: ToolFormat, plan: ToolPlan, special_token_ids: dict[str, int] | None = None) -> str:
    """The grammar of a plan that needs one."""
    grammar = tool_format.grammar(plan, special_token_ids)
    assert grammar is not None
    return grammar


def accepts(grammar: str, text: str | list[int]) -> bool:
    """Whether the whole text, or the token ids, can be written and the answer end there."""
    matcher = LLMatcher(TOKENIZER, grammar)
    assert not matcher.is_error(), matcher.get_error()
    token_ids = TOKENIZER.tokenize_str(text) if isinstance(text, str) else text
    taken: int = matcher.try_consume_tokens(token_ids)
    return taken == len(token_ids) and bool(matcher.is_accepting())


def answer(tool_format: ToolFormat, *calls: tuple[str, str]) -> str:
    key = "parameters" if tool_format is LLAMA3 else "arguments"
    objects = [f'{{"name": "{name}", "{key}": {arguments}}}' for name, arguments in calls]
    match tool_format.name:
        case LLAMA3.name:
            return "; ".join(objects)
        case MISTRAL.name:
            return f"[TOOL_CALLS] [{', '.join(objects)}]"
        case MISTRAL_ARGS.name:
            return "".join(f"[TOOL_CALLS]{name}[ARGS]{arguments}" for name, arguments in calls)
    return "\n".join(f"<tool_call>\n{each}\n</tool_call>" for each in objects)


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
@pytest.mark.parametrize("call", [("weather", BERN), ("weather", '{"city": "Z\\"ü"}'), ("now", "{}")])
def test_a_call_is_allowed_and_read_back(tool_format: ToolFormat, call: tuple[str, str]) -> None:
    text = answer(tool_format, call)

    assert accepts(written(tool_format, plan_of()), text)
    assert [getattr(event, "name", None) for event in parsed(tool_format, text)] == [call[0], None, None]


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
@pytest.mark.parametrize(
    "call",
    [
        ("unknown", "{}"),
        ("now", '{"city": "Bern"}'),
        ("weather", "{}"),
        ("weather", '{"city": 5}'),
        ("weather", '{"city": "Bern", "days": 0}'),
        ("weather", '{"city": "Bern", "more": 1}'),
        ("weather", '{"city":\n\n"Bern"}'),
        ("weather", '{"city": "Bern"'),
    ],
)
def test_what_the_tools_do_not_allow_is_not_allowed(tool_format: ToolFormat, call: tuple[str, str]) -> None:
    assert not accepts(written(tool_format, plan_of()), answer(tool_format, call))


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
@pytest.mark.parametrize("text", ["", "Hello", "<tool_call>", "{}"])
def test_words_are_not_allowed(tool_format: ToolFormat, text: str) -> None:
    assert not accepts(written(tool_format, plan_of()), text)


@pytest.mark.parametrize("tool_format", [each for each in SPELLED if each is not LLAMA3])
def test_calls_are_parallel_up_to_a_limit(tool_format: ToolFormat) -> None:
    grammar = written(tool_format, plan_of())
    calls = [("weather", BERN), *[("now", "{}")] * MAX_FORCED_CALLS]

    assert [accepts(grammar, answer(tool_format, *calls[:count])) for count in (2, 3, 16, 17)] == [True] * 3 + [False]


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
def test_one_call_is_all_where_calls_are_not_parallel(tool_format: ToolFormat) -> None:
    grammar = written(tool_format, plan_of(parallel_tool_calls=False))

    assert accepts(grammar, answer(tool_format, ("now", "{}")))
    assert not accepts(grammar, answer(tool_format, ("now", "{}"), ("now", "{}")))


def test_a_named_tool_is_the_only_one() -> None:
    grammar = written(HERMES, plan_of({"type": "function", "function": {"name": "now"}}))

    assert accepts(grammar, answer(HERMES, ("now", "{}")))
    assert not accepts(grammar, answer(HERMES, ("weather", BERN)))
    assert not accepts(grammar, answer(HERMES, ("now", "{}"), ("now", "{}")))


def test_a_marker_that_is_a_special_token_is_meant_by_its_id() -> None:
    added = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    special = next(token["id"] for token in added if token["special"] and token["id"] != TOKENIZER.eos_token)
    grammar = written(MISTRAL, plan_of(), {"[TOOL_CALLS]": special})
    rest = TOKENIZER.tokenize_str(answer(MISTRAL, ("now", "{}")).removeprefix("[TOOL_CALLS]"))

    assert accepts(grammar, [special, *rest])
    assert not accepts(grammar, answer(MISTRAL, ("now", "{}")))


def strict_plan(**fields: Any) -> ToolPlan:
    tools = [{"type": "function", "function": WEATHER | {"strict": True}}, {"type": "function", "function": NOW}]
    return plan_of("auto", tools=tools, **fields)


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("Hello {} <b>\n", True),
        (("weather", BERN), True),
        (("now", '{"any": ["thing"]}'), True),
        (("weather", '{"town": "Bern"}'), False),
        (("unknown", "{}"), False),
    ],
)
def test_strict_tools_keep_their_schema_and_words_are_free(
    tool_format: ToolFormat, text: str | tuple[str, str], expected: bool
) -> None:
    whole = text if isinstance(text, str) else answer(tool_format, text)

    assert accepts(written(tool_format, strict_plan()), whole) is expected


@pytest.mark.parametrize("tool_format", [HERMES, MISTRAL, MISTRAL_ARGS])
def test_text_and_calls_can_alternate(tool_format: ToolFormat) -> None:
    text = f"One.\n{answer(tool_format, ('now', '{}'))}\n{answer(tool_format, ('weather', BERN))} Two."

    assert accepts(written(tool_format, strict_plan()), text)
    assert not accepts(written(tool_format, strict_plan(parallel_tool_calls=False)), text)


@pytest.mark.parametrize("tool_format", SPELLED, ids=lambda each: each.name)
def test_an_answer_of_one_strict_call_ends_with_it(tool_format: ToolFormat) -> None:
    grammar = written(tool_format, strict_plan(parallel_tool_calls=False))

    assert accepts(grammar, answer(tool_format, ("weather", BERN)))
    assert not accepts(grammar, f"{answer(tool_format, ('weather', BERN))} Two.")


def test_a_special_token_opens_a_strict_call() -> None:
    added = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    special = next(token["id"] for token in added if token["special"] and token["id"] != TOKENIZER.eos_token)
    grammar = written(LLAMA3, strict_plan(), {"<|python_tag|>": special})
    good, bad = (answer(LLAMA3, ("weather", each)) for each in (BERN, "{}"))

    assert accepts(grammar, [special, *TOKENIZER.tokenize_str(good)])
    assert not accepts(grammar, [special, *TOKENIZER.tokenize_str(bad)])


@pytest.mark.parametrize("plan", [plan_of("auto"), plan_of("none")])
def test_only_required_calls_and_strict_tools_need_a_grammar(plan: ToolPlan) -> None:
    assert DESCRIBED.grammar(plan) is None


@pytest.mark.parametrize(("plan", "expected"), [(plan_of("required"), False), (strict_plan(), True)])
def test_a_required_call_leaves_no_words_and_a_strict_tool_does(plan: ToolPlan, expected: bool) -> None:
    grammar = written(DESCRIBED, plan)

    assert accepts(grammar, "Hello") is expected
    assert accepts(grammar, answer(DESCRIBED, ("weather", BERN)))
    assert not accepts(grammar, answer(DESCRIBED, ("weather", "{}")))


@pytest.mark.parametrize(
    ("parameters", "additional"),
    [
        ({}, False),
        ({"properties": {"a": {}}}, False),
        ({"properties": {"a": {}}, "required": ["a"]}, False),
        ({"required": ["a"]}, None),
        ({"anyOf": [{"required": ["a"]}]}, None),
        ({"$ref": "#/$defs/a"}, None),
        ({"additionalProperties": {"type": "string"}}, {"type": "string"}),
    ],
)
def test_an_object_that_lists_its_properties_gets_no_others(parameters: dict[str, Any], additional: Any) -> None:
    schema = arguments_schema(Tool("f", "", parameters))

    assert schema.get("additionalProperties") == additional
    assert schema["type"] == "object"


def test_mistrals_list_of_calls_is_not_opened_twice() -> None:
    one = answer(MISTRAL, ("now", "{}"))

    assert not accepts(written(MISTRAL, plan_of()), one + one)
    assert not accepts(written(MISTRAL, plan_of()), f"{one}\n{one}")
