"""Fields of responses: each changes the answer, comes back, or is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.fields.asking import refused
from tests.http.fields.registry import field
from tests.http.handlers.serving import Client
from tests.http.responses.asking import BODY, RESPONSES, respond, respond_streamed, said, without_ids

REQUEST, ITEM, PART, TOOL = "CreateResponseRequest", "ResponseInputItem", "ResponseContentPart", "ResponseTool"
CHOICE, FORMAT = "ResponseAllowedTools", "ResponseTextFormat"
STORED = "/v1/responses/{response_id}"
SCHEMA = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"], "additionalProperties": False}
TOOLS = [{"type": "function", "name": name, "parameters": SCHEMA} for name in ("f", "g")]
ROOM = {"max_output_tokens": 200}
FREE: dict[str, Any] = {"temperature": 1.5, "top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1, "seed": 7}


def items(*given: Any) -> dict[str, Any]:
    return {"input": list(given)}


def user(content: Any = "Hello", **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


async def num_read(client: Client, **fields: Any) -> int:
    """Return how many tokens the model reads."""
    return int((await respond(client, **fields))["usage"]["input_tokens"])


@field(REQUEST, "input", "instructions")
@field(ITEM, "role", "content", "type")
@field(PART, "type", "text", "refusal")
async def test_what_is_said_is_read(client: Client) -> None:
    text = await respond(client)
    alike = [user(), user(type="message"), user([{"type": "input_text", "text": "Hello"}])]

    assert without_ids([await respond(client, **items(each)) for each in alike]) == without_ids([text] * 3)
    assert said(await respond(client, input="Goodbye")) != said(text)
    system = await num_read(client, **items({"role": "system", "content": "Be brief."}, user()))
    assert await num_read(client, instructions="Be brief.") == system > await num_read(client)
    assert await num_read(client, **items({"role": "developer", "content": "Be brief."}, user())) == system
    for part in ({"type": "output_text", "text": "No."}, {"type": "refusal", "refusal": "No."}):
        assistant = {"role": "assistant", "content": [part]}
        assert await num_read(client, **items(assistant, user())) > await num_read(client)
    assert (await refused(client, RESPONSES, {"input": [{"type": "computer_call"}]}))[1] == "input.0.type"
    assert (await refused(client, RESPONSES, {"input": [user([{"type": "input_file"}])]}))[
        1
    ] == "input.0.content.0.type"


@field(PART, "image_url", "detail")
async def test_images_are_refused_where_the_model_reads_text(client: Client) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "low"}

    status, param = await refused(client, RESPONSES, items(user([{"type": "input_text", "text": "?"}, image])))

    assert (status, param) == (400, "input.0.content.1.image_url")
    assert (await refused(client, RESPONSES, items(user([image | {"detail": "huge"}]))))[0] in (400, 422)


@field(ITEM, "id", "status", "phase")
async def test_what_only_tells_of_an_item_comes_back_and_changes_nothing(client: Client) -> None:
    said_before = {"role": "assistant", "content": "Yes?"}
    told = {"id": "msg_own", "status": "incomplete", "phase": "commentary"}

    plain = await respond(client, **items(said_before, user()))
    marked = await respond(client, **items(said_before | told, user()))

    assert said(marked) == said(plain)
    listed = await (await client.get(f"{RESPONSES}/{marked['id']}/input_items?order=asc")).get_json()
    assert {name: listed["data"][0][name] for name in told} == told


@field(ITEM, "call_id", "name", "arguments", "output")
async def test_a_call_and_its_result_are_read(client: Client) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"at": 1}'}
    result = {"type": "function_call_output", "call_id": "c1", "output": "It is noon."}
    parts = result | {"output": [{"type": "input_text", "text": "It is noon."}]}

    called = await num_read(client, **items(user(), call), tools=TOOLS)
    answered = await num_read(client, **items(user(), call, result), tools=TOOLS)

    assert await num_read(client, tools=TOOLS) < called < answered
    assert await num_read(client, **items(user(), call, parts), tools=TOOLS) == answered
    longer = call | {"name": "a_longer_name", "arguments": '{"at": 123456}'}
    assert await num_read(client, **items(user(), longer), tools=TOOLS) > called
    for name in ("call_id", "name"):
        without = {key: value for key, value in call.items() if key != name}
        assert await refused(client, RESPONSES, items(without)) == (400, f"input.0.{name}")


@field(ITEM, "summary", "encrypted_content")
async def test_a_thought_is_read_from_its_summary_and_a_strangers_seal_is_refused(client: Client) -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]}

    assert await num_read(client, **items(user(), thought, user())) > await num_read(client, **items(user(), user()))
    status, param = await refused(client, RESPONSES, items(thought | {"encrypted_content": "gAAAA"}))
    assert (status, param) == (400, "input.0.encrypted_content")


@field(TOOL, "type", "name", "description", "parameters", "strict")
@field(REQUEST, "tools", "tool_choice", "parallel_tool_calls", "max_tool_calls")
@field(CHOICE, "type", "name", "mode", "tools")
async def test_a_forced_call_is_of_an_allowed_tool_and_keeps_its_schema(client: Client) -> None:
    async def calls(**fields: Any) -> list[tuple[str, str]]:
        response = await respond(client, **ROOM, tools=TOOLS, **fields)
        return [(each["name"], each["arguments"]) for each in response["output"] if each["type"] == "function_call"]

    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}
    (call,) = await calls(tool_choice={"type": "function", "name": "f"})
    assert (call[0], call[1].replace(" ", "")) == ("f", '{"at":1}')
    assert {name for name, _ in await calls(tool_choice=allowed)} == {"g"}
    assert await calls(tool_choice="required", parallel_tool_calls=False)
    assert len(await calls(tool_choice="required", max_tool_calls=1)) == 1
    assert await calls(tool_choice="none") == []
    strict = [TOOLS[0] | {"strict": True, "description": "It is strict."}]
    response = await respond(client, tools=strict)
    assert (response["tools"][0]["strict"], response["tools"][0]["description"]) == (True, "It is strict.")
    described = [TOOLS[0] | {"description": "A long description of the tool."}]
    assert await num_read(client, tools=described) > await num_read(client, tools=TOOLS[:1])


@field(TOOL, "type")
@field(CHOICE, "type")
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools.0.name"),
        ({"tools": TOOLS, "tool_choice": "always"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "h"}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "mode": "any", "tools": TOOLS}}, "tool_choice.mode"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "tools": [{"type": "mcp", "server_label": "a"}]}},
            "tool_choice.tools.0.type",
        ),
        (
            {"tools": TOOLS, "tool_choice": {"type": "allowed_tools", "tools": [TOOLS[0] | {"name": "h"}]}},
            "tool_choice.tools.0",
        ),
        ({"max_tool_calls": 2}, "max_tool_calls"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"background": True}, "background"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"truncation": "middle"}, "truncation"),
        ({"include": ["file_search_call.results"]}, "include.0"),
        ({"stream_options": {"include_obfuscation": True}, "stream": True}, "stream_options.include_obfuscation"),
        ({"text": {"verbosity": "low"}}, "text.verbosity"),
        ({"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {"type": "no"}}}}, "text.format.schema"),
        ({"reasoning": {"summary": "concise"}}, "reasoning.summary"),
        ({"reasoning": {"effort": "most"}}, "reasoning"),
        ({"top_logprobs": 1000}, "top_logprobs"),
        ({"temperature": -1}, "temperature"),
        ({"metadata": {str(at): "" for at in range(17)}}, "metadata"),
        ({"metadata": {"a": "x" * 513, "b": "x"}}, "metadata.a"),
        ({"metadata": {"a": "x", "b" * 65: "x"}}, f"metadata.{'b' * 64}"),
        ({"previous_response_id": "resp_none"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"messages": [{"role": "user", "content": "a"}]}, "messages"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"n": 2}, "n"),
        ({"best_of": 2}, "best_of"),
    ],
)
async def test_what_is_not_supported_is_refused_by_name(client: Client, body: dict[str, Any], param: str) -> None:
    assert await refused(client, RESPONSES, BODY | body) == (400, param)


@field(REQUEST, "text")
@field("ResponseText", "format")
@field(FORMAT, "type", "name", "schema", "description", "strict")
async def test_a_text_follows_its_format(client: Client) -> None:
    form = {"type": "json_schema", "name": "at", "schema": SCHEMA, "strict": True}

    response = await respond(client, **ROOM, text={"format": form})

    assert "".join(said(response).split()) == '{"at":1}'
    assert response["text"]["format"] == form | {"description": None}
    assert said(await respond(client, **ROOM, text={"format": {"type": "json_object"}}, seed=1)).lstrip()[0] == "{"
    assert said(await respond(client, text={"format": {"type": "text"}})) == said(await respond(client))
    described = form | {"description": "The time, as a number."}
    assert await num_read(client, **ROOM, text={"format": described}) > response["usage"]["input_tokens"]


@field("ResponseText", "verbosity")
@field("ResponseReasoning", "effort", "summary")
@field("ResponseStreamOptions", "include_obfuscation")
@field(REQUEST, "reasoning", "stream_options", "service_tier", "background")
async def test_values_that_ask_for_nothing_change_nothing(client: Client) -> None:
    nothing = {
        "text": {"verbosity": "medium"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream_options": {"include_obfuscation": False},
        "service_tier": "auto",
        "background": False,
    }

    response = await respond(client, **nothing)

    assert said(response) == said(await respond(client))
    assert response["reasoning"] == {"effort": "low", "summary": "auto"}
    assert (response["service_tier"], response["background"]) == ("default", False)


@field(REQUEST, "max_output_tokens", "temperature", "top_p", "presence_penalty", "frequency_penalty")
async def test_sampling_is_that_of_a_chat(client: Client) -> None:
    drawn = said(await respond(client, **FREE))

    assert said(await respond(client, **FREE)) == drawn  # seed, top_k and others go through
    for change in ({"seed": 8}, {"temperature": 0}, {"top_p": 0.01}, {"presence_penalty": 2.0}):
        assert said(await respond(client, **(FREE | {"max_output_tokens": 40} | change))) != said(
            await respond(client, **(FREE | {"max_output_tokens": 40}))
        )
    response = await respond(client, **(FREE | {"frequency_penalty": 1.5, "max_output_tokens": 7}))
    assert (response["frequency_penalty"], response["max_output_tokens"]) == (1.5, 7)
    assert response["usage"]["output_tokens"] == 7


@field(REQUEST, "top_logprobs", "include")
async def test_log_probabilities_come_with_the_text(client: Client) -> None:
    (part,) = (await respond(client, top_logprobs=2))["output"][0]["content"]
    (included,) = (await respond(client, include=["message.output_text.logprobs"]))["output"][0]["content"]

    assert "".join(each["token"] for each in part["logprobs"]) == part["text"]
    assert [len(each["top_logprobs"]) for each in part["logprobs"]] == [2] * 12
    assert [each["logprob"] for each in included["logprobs"]] == [each["logprob"] for each in part["logprobs"]]
    assert (await respond(client))["output"][0]["content"][0]["logprobs"] == []


@field(REQUEST, "metadata", "safety_identifier", "prompt_cache_key", "user", "truncation")
async def test_what_changes_nothing_comes_back(client: Client) -> None:
    told = {
        "metadata": {"a": "b"},
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "user": "ada",
        "truncation": "auto",
    }

    response = await respond(client, **told)

    assert {name: response[name] for name in told} == told
    assert said(response) == said(await respond(client))


@field(REQUEST, "stream")
async def test_a_stream_says_the_same(client: Client) -> None:
    assert said((await respond_streamed(client))[-1]["response"]) == said(await respond(client))


@field(REQUEST, "model")
async def test_the_answer_names_the_model_that_there_is(client: Client) -> None:
    assert (await respond(client, model="any"))["model"] == "reference"
    assert (await refused(client, RESPONSES, BODY | {"model": 5}))[0] == 422


@field(REQUEST, "store", "previous_response_id")
@field(STORED, "response_id")
@field(f"{STORED}/cancel", "response_id")
@field(f"{STORED}/input_items", "response_id", "limit", "order", "after")
async def test_a_stored_response_is_continued_and_found(client: Client) -> None:
    first = await respond(client)
    kept, lost = await respond(client, previous_response_id=first["id"]), await respond(client, store=False)

    assert kept["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    assert (first["store"], lost["store"]) == (True, False)
    for response, status in ((first, 200), (lost, 404)):
        path = f"{RESPONSES}/{response['id']}"
        assert (await client.get(path)).status_code == status
        assert (await client.post(f"{path}/cancel")).status_code == status
    listing = f"{RESPONSES}/{kept['id']}/input_items"
    whole = await (await client.get(f"{listing}?order=asc")).get_json()
    after = await (await client.get(f"{listing}?order=asc&limit=1&after={whole['first_id']}")).get_json()
    assert [item["id"] for item in after["data"]] == [whole["data"][1]["id"]]
