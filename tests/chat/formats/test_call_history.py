"""Earlier calls and results in the shape that each kind of template takes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

import pytest

from jan_ort.chat.formats import find_format, read_template
from jan_ort.chat.template import ChatTemplate
from jan_ort.chat.tools import ToolPlan, parse_tools
from jan_ort_openapi.models import CreateChatCompletionRequest
from tests.chat.formats import templates


def tool_call(call_id: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


CALLS = [tool_call("call_a", "weather", city="Zürich"), tool_call("abcDEF123", "now")]
MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "How is it?"},
    {"role": "assistant", "content": "Let me look.", "tool_calls": CALLS},
    {"role": "tool", "content": "Sunny.", "tool_call_id": "call_a", "name": "weather"},
    {"role": "tool", "content": "Noon.", "tool_call_id": "abcDEF123", "name": "now"},
    {"role": "assistant", "content": "Sunny."},
]


def plan_of(**fields: Any) -> ToolPlan:
    function = {"name": "weather", "description": "Tell it.", "parameters": {"type": "object", "properties": {}}}
    fields = {"tools": [{"type": "function", "function": function}], **fields}
    plan = parse_tools(CreateChatCompletionRequest.model_validate(fields))
    assert plan is not None
    return plan


def adapted(
    source: str, plan: ToolPlan | None = None, messages: Sequence[dict[str, Any]] = MESSAGES
) -> list[dict[str, Any]]:
    view = read_template(source)
    return find_format(view).adapt(messages, plan, view)


@pytest.mark.parametrize(
    "source",
    [
        templates.CHATML,
        templates.HERMES,
        templates.LLAMA3,
        templates.MISTRAL,
        templates.MISTRAL_ARGS,
        templates.SMOLLM3,
        templates.DEEPSEEK,
    ],
)
def test_every_template_writes_calls_and_results(source: str) -> None:
    plan = plan_of()
    original = copy.deepcopy(MESSAGES)

    text = ChatTemplate(source).render(adapted(source, plan), tools=plan.template_tools())

    assert text.index("weather") < text.index('{"city": "Zürich"}') < text.index("Sunny.") < text.index("Noon.")
    assert original == MESSAGES


def test_a_template_without_tools_gets_text() -> None:
    messages = adapted(templates.CHATML)

    assert messages == [
        {"role": "user", "content": "How is it?"},
        {
            "role": "assistant",
            "content": 'Let me look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Zürich"}}\n</tool_call>\n'
            '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        },
        {
            "role": "user",
            "content": "<tool_response>\nSunny.\n</tool_response>\n<tool_response>\nNoon.\n</tool_response>",
        },
        {"role": "assistant", "content": "Sunny."},
    ]


def test_a_template_that_describes_tools_but_knows_no_calls_gets_text_and_no_second_description() -> None:
    assert adapted(templates.SMOLLM3, plan_of()) == adapted(templates.CHATML)


def test_a_description_begins_the_conversation() -> None:
    messages = adapted(templates.CHATML, plan_of())

    assert messages[0]["role"] == "system"
    assert json.dumps(plan_of().tools[0].as_request()) in messages[0]["content"]
    assert "<tool_call>" in messages[0]["content"]
    assert messages[1:] == adapted(templates.CHATML)


@pytest.mark.parametrize(("given", "beginning"), [("Be brief.", "Be brief.\n\nThese"), ("", "These functions")])
def test_a_description_follows_what_the_system_message_says(given: str, beginning: str) -> None:
    system = {"role": "system", "content": given}

    messages = adapted(templates.CHATML, plan_of(), [system, *MESSAGES])

    assert messages[0]["content"].startswith(beginning)
    assert len(messages) == 1 + len(adapted(templates.CHATML))
    assert system == {"role": "system", "content": given}


def test_nothing_is_described_where_nothing_may_be_called() -> None:
    assert adapted(templates.CHATML, plan_of(tool_choice="none")) == adapted(templates.CHATML)


def test_a_description_says_how_many_calls_are_wanted() -> None:
    fields: list[dict[str, Any]] = [
        {},
        {"parallel_tool_calls": False},
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "weather"}}},
    ]

    rules = [adapted(templates.CHATML, plan_of(**each))[0]["content"].splitlines()[-2] for each in fields]

    assert rules == [
        "Call a function only if its result is needed, otherwise answer in words. "
        "Several calls in one answer have their own tags each.",
        "Call a function only if its result is needed, otherwise answer in words. Make one call at most.",
        "Answer with a call and nothing else. Several calls in one answer have their own tags each.",
        "Answer with one call of weather and nothing else.",
    ]


def test_a_template_with_tools_gets_the_messages_as_they_are() -> None:
    assert adapted(templates.HERMES, plan_of()) == MESSAGES


def test_llama_gets_one_call_a_message() -> None:
    messages = adapted(templates.LLAMA3)

    assert messages[1:3] == [
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALLS[0]]},
        {"role": "assistant", "content": "Let me look.", "tool_calls": [CALLS[1]]},
    ]
    assert messages[3:] == MESSAGES[2:]


def test_mistral_gets_ids_of_nine_characters_that_still_belong_together() -> None:
    messages = adapted(templates.MISTRAL)

    short, kept = (call["id"] for call in messages[1]["tool_calls"])
    assert [messages[2]["tool_call_id"], messages[3]["tool_call_id"]] == [short, kept]
    assert len(short) == 9
    assert short.isalnum()
    assert kept == "abcDEF123"


def test_a_template_that_writes_arguments_as_they_are_gets_json_text() -> None:
    source = templates.HERMES.replace("call.function.arguments | tojson", "call.function.arguments")

    messages = adapted(source)

    assert messages[1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city": "Zürich"}'}
    assert '{"city": "Zürich"}' in ChatTemplate(source).render(messages)
