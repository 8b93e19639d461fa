"""Fields of a conversation's messages: what each adds to the prompt."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.fields.asking import GREEDY, refused, said
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, Client, post, serving

COUNT = "/extras/tokenize/count"
EVERYTHING = """\
{%- for tool in tools or [] -%}{{- tool | tojson -}}{%- endfor -%}
{%- for message in messages -%}
{{- message | tojson -}}{%- if message.tool_calls -%}<tool_call>{%- endif -%}
{%- endfor -%}
"""
"""A chat template that writes all that it is given, so that each field of a message changes the prompt."""

PART = "ChatCompletionRequestMessageContentPart"
TEXT = {"type": "text", "text": "Hello"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
THOUGHT_PARTS: list[dict[str, Any]] = [
    {"type": "thinking", "thinking": "Hm, so.", "signature": "x"},
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, "}, {"type": "text", "text": "so."}]},
    {"type": "reasoning", "text": "Hm, so."},
]
IMAGE = {"url": "data:image/png;base64,AA==", "detail": "low"}


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of the reference model with a template that writes everything."""
    folder = tmp_path / "writer"
    shutil.copytree(FOLDER, folder)
    (folder / "chat_template.jinja").write_text(EVERYTHING)
    async with serving(model=str(folder)) as app:
        yield app.test_client()


async def counted(client: Client, *messages: Any) -> int:
    status, answer = await post(client, COUNT, {"messages": messages})
    assert status == 200, answer
    count: int = answer["count"]
    return count


def conversation(role: str, content: object) -> list[dict[str, Any]]:
    """Return a conversation that ends in a message of ``role``."""
    extra = {"tool": {"tool_call_id": "call_1"}, "function": {"name": "look"}}.get(role, {})
    return [*HELLO, {"role": role, "content": content} | extra]


@field("CreateChatCompletionRequest", "messages")
async def test_the_answer_depends_on_every_message_and_their_order(client: Client) -> None:
    yes, no = {"role": "user", "content": "Yes"}, {"role": "user", "content": "No"}
    conversations: list[Any] = [[], [yes], [no], [yes, no], [no, yes]]

    answers = [await said(client, CHAT, **GREEDY, messages=messages) for messages in conversations]

    assert len(set(answers)) == len(conversations)


@field("ChatCompletionRequestSystemMessage", "role", "content")
@field("ChatCompletionRequestDeveloperMessage", "role", "content")
@field("ChatCompletionRequestUserMessage", "role", "content")
@field("ChatCompletionRequestAssistantMessage", "role", "content")
@field("ChatCompletionRequestToolMessage", "role", "content")
@field("ChatCompletionRequestFunctionMessage", "role", "content")
@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
async def test_the_answer_depends_on_what_each_role_says(client: Client, role: str) -> None:
    none, empty, one, other = [
        await said(client, CHAT, **GREEDY, messages=conversation(role, content)) for content in (None, "", "Yes", "No")
    ]

    assert none == empty
    assert len({empty, one, other}) == 3


@field("ChatCompletionRequestSystemMessage", "role")
@field("ChatCompletionRequestDeveloperMessage", "role")
@field("ChatCompletionRequestUserMessage", "role")
@field("ChatCompletionRequestAssistantMessage", "role")
@field("ChatCompletionRequestToolMessage", "role")
@field("ChatCompletionRequestFunctionMessage", "role")
@pytest.mark.parametrize(
    ("role", "written"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
async def test_each_role_has_its_name_in_the_prompt(client: Client, role: str, written: str) -> None:
    said_by = [("user", "Hello"), (written, "Yes")]
    prompt = "".join(f"<|im_start|>{name}\n{text}<|im_end|>\n" for name, text in said_by) + "<|im_start|>assistant\n"

    answer = await said(client, CHAT, **GREEDY, messages=conversation(role, "Yes"))

    assert answer == await said(client, COMPLETIONS, **GREEDY, prompt=prompt)


@field("ChatCompletionRequestUserMessage", "content")
@field(f"{PART}Text", "type", "text")
async def test_text_parts_say_what_their_joined_text_says(client: Client) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]

    joined = await said(client, CHAT, **GREEDY, messages=[{"role": "user", "content": parts}])
    half = await said(client, CHAT, **GREEDY, messages=[{"role": "user", "content": parts[:1]}])

    assert joined == await said(client, CHAT, **GREEDY, messages=HELLO) != half


@field(f"{PART}Thinking", "type", "thinking")
@field(f"{PART}Reasoning", "type", "text")
@pytest.mark.parametrize("part", THOUGHT_PARTS, ids=str)
async def test_a_thought_among_the_parts_is_that_of_the_message(tmp_path: Path, part: dict[str, Any]) -> None:
    folder = tmp_path / "thinks"
    shutil.copytree(FOLDER, folder)
    source = "{% for m in messages %}{{ m.reasoning_content }}|{{ m.content }};{% endfor %}{{ '<think>' if 0 }}"
    (folder / "chat_template.jinja").write_text(source)
    forms: list[dict[str, Any]] = [
        {"content": [part, {"type": "text", "text": "Yes."}]},
        {"content": "Yes.", "reasoning_content": "Hm, so."},
        {"content": "Yes."},
    ]
    async with serving(model=str(folder)) as app:
        told, named, without = [
            await said(app.test_client(), CHAT, **GREEDY, messages=[*HELLO, {"role": "assistant"} | form])
            for form in forms
        ]

    assert told == named != without


@field(f"{PART}Refusal", "type", "refusal")
async def test_an_earlier_refusal_is_what_was_said(client: Client) -> None:
    parts = [{"type": "text", "text": "Hel"}, {"type": "refusal", "refusal": "lo"}]
    plain = [*HELLO, {"role": "assistant", "content": "Hello"}, *HELLO]

    refused = [*HELLO, {"role": "assistant", "content": parts}, *HELLO]

    assert await said(client, CHAT, **GREEDY, messages=refused) == await said(client, CHAT, **GREEDY, messages=plain)


@field(f"{PART}Image", "type", "image_url")
@field(f"{PART}ImageImageUrl", "url", "detail")
@pytest.mark.parametrize("image_url", [IMAGE, {"url": "http://a.test/b.png"}, "data:image/png;base64,AA=="])
async def test_an_image_is_refused_by_name(client: Client, image_url: object) -> None:
    content = [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": image_url}]

    answer = await refused(client, CHAT, {"messages": [{"role": "user", "content": content}]})

    assert answer == (400, "messages.0.content.1.image_url")


@field("ChatCompletionRequestAssistantMessage", "tool_calls", "content")
@field("ChatCompletionRequestToolCallFunction", "name", "arguments")
async def test_the_answer_depends_on_earlier_calls(client: Client) -> None:
    calls: list[Any] = [
        [],
        [CALL],
        [CALL, CALL],
        [CALL | {"function": {"name": "take", "arguments": '{"at": 1}'}}],
        [CALL | {"function": {"name": "look", "arguments": '{"at": 2}'}}],
    ]

    messages = [[*HELLO, {"role": "assistant", "content": None, "tool_calls": each}] for each in calls]

    assert len({await said(client, CHAT, **GREEDY, messages=each) for each in messages}) == len(calls)


@field("ChatCompletionRequestAssistantMessage", "function_call")
@field("ChatCompletionRequestAssistantMessageFunctionCall", "name", "arguments")
async def test_an_earlier_function_call_is_a_tool_call(client: Client) -> None:
    old = [*HELLO, {"role": "assistant", "content": None, "function_call": CALL["function"]}]
    new = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    other = [*HELLO, {"role": "assistant", "function_call": {"name": "take", "arguments": '{"at": 2}'}}]

    answers = [await said(client, CHAT, **GREEDY, messages=messages) for messages in (old, new, other)]

    assert answers[0] == answers[1] != answers[2]


@field("ChatCompletionRequestToolCall", "id")
@field("ChatCompletionRequestToolMessage", "tool_call_id")
async def test_the_template_is_given_a_calls_id_and_its_results(writer: Client) -> None:
    def called(call_id: str, result_id: str) -> list[dict[str, Any]]:
        call = {"role": "assistant", "tool_calls": [CALL | {"id": call_id}]}
        return [call, {"role": "tool", "content": "5", "tool_call_id": result_id}]

    short, call_longer, result_longer = [
        await counted(writer, *called(*call_ids)) for call_ids in (("1", "2"), ("1234", "2"), ("1", "2345"))
    ]

    assert call_longer == result_longer == short + 3


@field("ChatCompletionRequestToolMessage", "tool_call_id")
async def test_the_template_is_given_the_name_of_the_function_whose_result_it_is(writer: Client) -> None:
    call = {"role": "assistant", "tool_calls": [CALL]}
    result = {"role": "tool", "content": "5"}

    known, unknown = [await counted(writer, call, result | {"tool_call_id": at}) for at in ("call_1", "call_2")]

    assert known > unknown


@field("ChatCompletionRequestFunctionMessage", "name")
async def test_the_template_is_given_the_name_of_a_function(writer: Client) -> None:
    short, longer = [
        await counted(writer, {"role": "function", "content": "5", "name": name}) for name in ("f", "f1234")
    ]

    assert longer == short + 4


@field("ChatCompletionRequestDeveloperMessage", "name")
@field("ChatCompletionRequestSystemMessage", "name")
@field("ChatCompletionRequestUserMessage", "name")
@field("ChatCompletionRequestAssistantMessage", "name")
@field("ChatCompletionRequestToolMessage", "name")
@pytest.mark.parametrize("role", ["developer", "system", "user", "assistant", "tool"])
async def test_the_template_is_given_the_name_of_a_speaker(writer: Client, role: str) -> None:
    message = {"role": role, "content": "Yes"} | ({"tool_call_id": "call_1"} if role == "tool" else {})

    none, short, longer = [await counted(writer, message | name) for name in ({}, {"name": "x"}, {"name": "x1234"})]

    assert none < short == longer - 4


@field("CreateChatCompletionRequest", "messages")
@field(f"{PART}Text", "type", "text")
@field(f"{PART}Image", "type", "image_url")
@field(f"{PART}ImageImageUrl", "url", "detail")
@field("ChatCompletionRequestAssistantMessage", "tool_calls", "function_call", "content")
@field("ChatCompletionRequestToolCall", "id", "type", "function")
@field("ChatCompletionRequestToolCallFunction", "name", "arguments")
@field("ChatCompletionRequestAssistantMessageFunctionCall", "name", "arguments")
@field("ChatCompletionRequestToolMessage", "tool_call_id")
@field("ChatCompletionRequestFunctionMessage", "name")
@pytest.mark.parametrize(
    ("message", "status", "name"),
    [
        ({"role": "nobody", "content": "x"}, 422, "role"),
        ({"content": "x"}, 422, "role"),
        ({"role": "user"}, 422, "content"),
        ({"role": "system", "content": [TEXT, 5]}, 422, "content.1"),
        ({"role": "assistant", "content": 5}, 422, "content"),
        ({"role": "tool", "content": "x", "tool_call_id": 5}, 422, "tool_call_id"),
        ({"role": "function", "content": "x"}, 422, "name"),
        ({"role": "user", "content": [TEXT | {"type": "sound"}]}, 422, "content.0.type"),
        ({"role": "user", "content": [{"type": "text"}]}, 422, "content.0.text"),
        ({"role": "user", "content": [{"type": "image_url"}]}, 422, "content.0.image_url"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"detail": "low"}}]},
            422,
            "content.0.image_url.url",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": IMAGE | {"detail": "huge"}}]},
            422,
            "content.0.image_url.detail",
        ),
        ({"role": "assistant", "tool_calls": 5}, 422, "tool_calls"),
        ({"role": "assistant", "tool_calls": [CALL | {"id": 5}]}, 422, "tool_calls.0.id"),
        ({"role": "assistant", "tool_calls": [CALL | {"type": "program"}]}, 422, "tool_calls.0.type"),
        ({"role": "assistant", "tool_calls": [CALL | {"function": 5}]}, 422, "tool_calls.0.function"),
        (
            {"role": "assistant", "tool_calls": [CALL | {"function": {"name": "f", "arguments": 5}}]},
            422,
            "tool_calls.0.function.arguments",
        ),
        ({"role": "assistant", "function_call": {"name": "f", "arguments": 5}}, 422, "function_call.arguments"),
        ({"role": "assistant", "tool_calls": [CALL], "function_call": CALL["function"]}, 400, "function_call"),
    ],
)
async def test_a_message_that_cannot_be_served_is_refused_by_name(
    client: Client, message: object, status: int, name: str
) -> None:
    assert await refused(client, CHAT, {"messages": [message]}) == (status, f"messages.0.{name}")
