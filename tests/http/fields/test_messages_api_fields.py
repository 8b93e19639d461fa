"""Fields of Anthropic's Messages API: what a chat has is the chat's, and each is honoured or refused by name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chat.formats.templates import HERMES
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving
from tests.http.messages.asking import BODY, COUNT, MESSAGES, answered, counted, refused, streamed_events
from tests.http.scripted import model_folder

REQUEST, COUNTING = "CreateMessageRequest", "CountMessageTokensRequest"
FREE: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "seed": 7}
SCHEMA = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"], "additionalProperties": False}
TOOL: dict[str, Any] = {"name": "look", "description": "Look.", "input_schema": SCHEMA}
OTHER = TOOL | {"name": "hear"}
TOOL_USE: dict[str, Any] = {"type": "tool_use", "id": "1", "name": "look", "input": {}}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [*blocks]}


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said} | more


@pytest.fixture
async def hermes(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of a model whose template writes every role, calls, and earlier thoughts."""
    thought = "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}"
    opening = "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking %}<think>{% endif %}"
    template = (
        HERMES.replace("{{ m.content }}", thought)
        + opening
        + "{% if thinking_budget %}{{ thinking_budget }}{% endif %}{% endif %}"
    )
    async with serving(model=str(model_folder(tmp_path, template))) as app:
        yield app.test_client()


async def said(client: Client, **fields: Any) -> str:
    """Return the text of an answer that is nothing else."""
    (block,) = (await answered(client, **fields))["content"]
    assert block == {"type": "text", "text": block["text"], "citations": None}
    spoken: str = block["text"]
    return spoken


async def chatted(client: Client, **fields: Any) -> str:
    """Return what a chat answers to the same."""
    status, answer = await post(client, CHAT, BODY | fields)
    assert status == 200, answer
    content: str = answer["choices"][0]["message"]["content"]
    return content


@field(REQUEST, "messages", "seed", "temperature", "top_k", "top_p", "min_p", "repeat_penalty")
@field("MessageParam", "role", "content")
@field("MessageTextBlock", "type", "text")
@pytest.mark.parametrize("name", [None, *FREE])
async def test_sampling_is_that_of_a_chat(client: Client, name: str | None) -> None:
    fields = {key: value for key, value in FREE.items() if key != name}

    expected = await chatted(client, **fields, seed=3) if name == "seed" else await chatted(client, **fields)

    if name == "seed":
        fields["seed"] = 3
    assert await said(client, **fields) == expected
    assert await said(client, **fields, messages=[user(text("Hel"), text("lo"))]) == expected


@field(REQUEST, "top_k", "top_p", "min_p", "temperature", "repeat_penalty")
@pytest.mark.parametrize(("name", "value"), [("top_k", 1), ("top_p", 0), ("min_p", 1), ("temperature", 0)])
async def test_each_way_to_the_likeliest_token_leads_there(client: Client, name: str, value: float) -> None:
    assert await said(client, **FREE | {name: value}) == await said(client) != await said(client, **FREE)


@field(REQUEST, "system")
@field(COUNTING, "system", "messages", "model")
async def test_the_system_prompt_is_a_chats_in_either_spelling(client: Client) -> None:
    expected = await chatted(client, messages=[{"role": "system", "content": "Be brief."}, *HELLO])

    assert await said(client, system="Be brief.") == expected
    assert await said(client, system=[text("Be "), text("brief.")]) == expected
    assert await counted(client, system="Be brief.", model="reference") > await counted(client)


@field(REQUEST, "model")
async def test_another_model_is_not_found() -> None:
    async with serving(model="reference,reference-reranker") as app:
        status, answer = await post(app.test_client(), MESSAGES, BODY | {"model": "reference"})
        assert (status, answer["model"]) == (200, "reference")


@field(REQUEST, "max_tokens")
async def test_max_tokens_is_needed_and_ends_the_answer(client: Client) -> None:
    answer = await answered(client, max_tokens=3)

    status, missing = await post(client, MESSAGES, {"messages": HELLO})
    assert (answer["stop_reason"], answer["usage"]["output_tokens"]) == ("max_tokens", 3)
    assert (status, missing["error"]["param"]) == (400, "max_tokens")
    assert await refused(client, max_tokens=0) == "max_tokens"


@field(REQUEST, "stop_sequences")
async def test_a_stop_sequence_ends_the_answer_and_is_named(client: Client) -> None:
    whole = await said(client)
    stop = whole[10:13]

    answer = await answered(client, stop_sequences=["\0never", stop])

    assert answer["content"][0]["text"] == whole[: whole.index(stop)]
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", stop)
    assert await refused(client, stop_sequences=["a"] * 129) == "stop_sequences"


@field(REQUEST, "stream")
async def test_a_stream_says_what_an_answer_does_event_by_event(client: Client) -> None:
    events = await streamed_events(client)

    assert sum(event["type"] == "content_block_delta" for event in events) > 5
    assert (await answered(client, stream=None))["type"] == "message"
    assert await refused(client, stream="yes") == "stream"


@field(REQUEST, "metadata", "service_tier", "cache_control")
@field("MessageMetadata", "user_id")
@field(COUNTING, "cache_control")
@field("MessageTextBlock", "cache_control")
@field("MessageTool", "cache_control")
async def test_what_has_no_effect_on_an_answer_is_accepted(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    cached = {"cache_control": {"type": "ephemeral"}}
    caplog.set_level("INFO")

    spoken = await said(
        client,
        messages=[user(text("Hello", **cached))],
        metadata={"user_id": "ada"},
        service_tier="auto",
        **cached,
    )

    assert spoken == await said(client)
    assert "user ada" in caplog.text
    assert await counted(client, tools=[TOOL | cached], **cached) == await counted(client, tools=[TOOL])


@field(REQUEST, "tools", "tool_choice")
@field(COUNTING, "tools", "tool_choice")
@field("MessageTool", "type", "name", "description", "input_schema")
@field("MessageToolChoice", "type", "name", "disable_parallel_tool_use")
async def test_tools_are_called_as_the_choice_says(client: Client) -> None:
    tools = [TOOL, OTHER | {"type": "custom"}]
    named = {"type": "tool", "name": "hear", "disable_parallel_tool_use": True}

    any_one = await answered(
        client, tools=tools, tool_choice={"type": "any", "disable_parallel_tool_use": True}, max_tokens=100
    )
    chosen = await answered(client, tools=tools, tool_choice=named, max_tokens=100)

    (call,) = any_one["content"]
    assert (call["type"], call["name"] in ("look", "hear"), call["input"]) == ("tool_use", True, {"at": 1})
    assert any_one["stop_reason"] == chosen["stop_reason"] == "tool_use"
    assert [each["name"] for each in chosen["content"]] == ["hear"]
    none = await counted(client, tools=tools, tool_choice={"type": "none"})
    assert await counted(client, tools=tools, tool_choice={"type": "auto"}) > none == await counted(client)
    longer = [TOOL | {"description": "Look at every bird."}]
    assert await counted(client, tools=longer) > await counted(client, tools=[TOOL])


@field("MessageTool", "strict")
async def test_a_strict_tool_is_one_of_a_chat(client: Client) -> None:
    strict = TOOL | {"strict": True}
    wrong = TOOL | {"strict": True, "input_schema": {"type": "array"}}

    assert (await answered(client, tools=[strict], max_tokens=3))["stop_reason"] == "max_tokens"
    assert await refused(client, tools=[wrong]) == "tools.0.input_schema.type"
    assert (await answered(client, tools=[wrong | {"strict": None}], max_tokens=3))["role"] == "assistant"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"name": "look"}]}, "tools.0.input_schema"),
        ({"tools": [TOOL, TOOL]}, "tools.1.name"),
        ({"tools": [TOOL | {"name": "a b"}]}, "tools.0.name"),
        ({"tools": [TOOL | {"defer_loading": True}]}, "tools.0.defer_loading"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "hear"}}, "tool_choice"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages.0.role"),
        ({"messages": [{"role": "system", "content": [TOOL_USE]}]}, "messages.0.content.0"),
        ({"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}, "context_management"),
        ({"messages": [user({"type": "document", "source": {}})]}, "messages.0.content.0.type"),
        ({"messages": [user({"type": "thinking", "thinking": "a"})]}, "messages.0.content.0"),
        ({"messages": [user({"type": "tool_use", "id": "1", "name": "a", "input": {}})]}, "messages.0.content.0"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"stop": ["a"]}, "stop"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"n": 2}, "n"),
        ({"mcp_servers": [{"name": "a"}]}, "mcp_servers"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"thinking": {"type": "enabled", "budget_tokens": 24}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "display": "omitted"}}, "thinking.display"),
        ({"output_config": {"format": {"type": "json_schema", "schema": {"type": 5}}}}, "output_config.format.schema"),
    ],
    ids=str,
)
async def test_what_is_not_served_is_refused_by_name(client: Client, fields: dict[str, Any], param: str) -> None:
    assert await refused(client, **fields) == param


@field("MessageImageBlock", "type", "source", "cache_control")
@field("MessageImageSource", "type", "media_type", "data", "url")
@pytest.mark.parametrize(
    ("source", "param"),
    [
        ({"type": "base64", "media_type": "image/png", "data": "aGk="}, "messages.0.content.1.source"),
        ({"type": "url", "url": "https://example.org/a.png"}, "messages.0.content.1.source"),
        ({"type": "url"}, "messages.0.content.1.source"),
        ({"type": "base64", "data": "aGk="}, "messages.0.content.1.source"),
        ({"type": "file", "file_id": "a"}, "messages.0.content.1.source.type"),
    ],
    ids=str,
)
async def test_an_image_is_refused_where_it_stands(client: Client, source: dict[str, Any], param: str) -> None:
    image = {"type": "image", "source": source, "cache_control": None}

    assert await refused(client, messages=[user(text("What is this?"), image)]) == param


@field("MessageToolUseBlock", "type", "id", "name", "input", "cache_control")
@field("MessageToolResultBlock", "type", "tool_use_id", "content", "is_error", "cache_control")
async def test_calls_and_their_results_are_those_of_a_chat(hermes: Client) -> None:
    use = {"type": "tool_use", "id": "1", "name": "look", "input": {"at": 1}, "cache_control": None}
    result = {"type": "tool_result", "tool_use_id": "1", "cache_control": None}
    asked = [*HELLO, {"role": "assistant", "content": [text("Let me see."), use]}]
    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    before = [*HELLO, {"role": "assistant", "content": "Let me see.", "tool_calls": [call]}]
    function = {"name": "look", "description": "Look.", "parameters": SCHEMA}
    tools = {"tools": [{"type": "function", "function": function}], "tool_choice": "none"}

    async def both(told: str, *blocks: dict[str, Any]) -> None:
        mine = {"messages": [*asked, user(*blocks)], "tools": [TOOL], "tool_choice": {"type": "none"}}
        result = {"role": "tool", "tool_call_id": "1", "content": told}
        rest = [{"role": "user", "content": "And?"}] if len(blocks) > 1 else []
        assert await said(hermes, **mine) == await chatted(hermes, messages=[*before, result, *rest], **tools)

    await both("a bird", result | {"content": "a bird"})
    await both("a bird", result | {"content": [text("a "), text("bird")], "is_error": False}, text("And?"))
    await both("Error: gone", result | {"content": "gone", "is_error": True})
    await both("", result)


async def test_an_image_in_a_result_is_refused_where_it_stands_if_the_model_reads_none(client: Client) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    result = {"type": "tool_result", "tool_use_id": "1", "content": [image]}

    assert await refused(client, messages=[user(result)]) == "messages.0.content.0.content.0.source"


@field("MessageThinkingBlock", "type", "thinking", "signature")
async def test_thoughts_are_taken_back_whatever_their_signature(hermes: Client) -> None:
    def turns(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
        return [*HELLO, {"role": "assistant", "content": [*blocks, text("Hi.")]}, *HELLO]

    thought = {"type": "thinking", "thinking": "A greeting."}

    unsigned = await counted(hermes, messages=turns(thought))

    assert await counted(hermes, messages=turns(thought | {"signature": "EqQBCgIYAhIM"})) == unsigned
    assert unsigned > await counted(hermes, messages=turns())


@field(REQUEST, "thinking")
@field(COUNTING, "thinking")
@field("MessageThinking", "type", "budget_tokens", "display")
async def test_thinking_reaches_the_templates_switch(hermes: Client) -> None:
    off = await counted(hermes, thinking={"type": "disabled"})

    on = await counted(hermes, thinking={"type": "enabled", "display": "summarized"})
    budgeted = await post(hermes, COUNT, {"messages": HELLO, "thinking": {"type": "enabled", "budget_tokens": 12345}})

    assert on > off == await counted(hermes, thinking={"type": "adaptive"}) == await counted(hermes)
    assert budgeted[1]["input_tokens"] > on


@field(REQUEST, "output_config")
@field(COUNTING, "output_config")
@field("MessageOutputConfig", "format", "effort")
@field("MessageOutputFormat", "type", "schema")
async def test_the_answer_follows_its_schema(client: Client) -> None:
    config = {"format": {"type": "json_schema", "schema": SCHEMA}, "effort": "max"}

    spoken = await said(client, output_config=config, max_tokens=100)

    assert json.loads(spoken) == {"at": 1}
    assert await counted(client, output_config=config) == await counted(client)


async def test_instructions_may_come_later(hermes: Client) -> None:
    turns = [*HELLO, {"role": "system", "content": "Be brief."}]
    expected = await chatted(hermes, messages=turns)

    assert await said(hermes, messages=turns) == expected != await said(hermes)
    assert await said(hermes, messages=[*HELLO, {"role": "system", "content": [text("Be brief.")]}]) == expected


@pytest.mark.parametrize("edits", [[], [{"type": "clear_thinking_20251015", "keep": "all"}]])
async def test_what_keeps_the_context_changes_nothing(client: Client, edits: list[Any]) -> None:
    asked = {"context_management": {"edits": edits}}

    assert await said(client, **asked) == await said(client)
    assert await counted(client, **asked) == await counted(client)


async def test_a_begun_answer_is_continued(hermes: Client) -> None:
    begun = [*HELLO, {"role": "assistant", "content": "I am"}]

    spoken = await said(hermes, messages=begun)

    assert spoken == await chatted(hermes, messages=begun, continue_final_message=True)
    assert spoken == await said(hermes, messages=[*HELLO, {"role": "assistant", "content": [text("I am")]}])
