"""Fields of Ollama's API: what a chat has is the chat's, and each is honoured or refused by name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.chat.formats.templates import HERMES
from tests.http.fields.registry import field
from tests.http.handlers.serving import CHAT as OPENAI_CHAT
from tests.http.handlers.serving import COMPLETIONS, HELLO, Client, post, server_of, serving, until
from tests.http.ollama.asking import (
    BODY,
    CHAT,
    EMBED,
    EMBEDDINGS,
    FREE,
    GENERATE,
    OPTIONS,
    SHOW,
    STATISTICS,
    answered,
    refused,
    said,
    streamed,
)
from tests.http.scripted import Script, model_folder, scripted
from tests.serving.several import copied

ASKED, PROMPTED = "OllamaChatRequest", "OllamaGenerateRequest"
SCHEMA = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"], "additionalProperties": False}
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "look", "parameters": SCHEMA}}
CALL = '<tool_call>\n{"name": "look", "arguments": {"at": 1}}\n</tool_call>'


@pytest.fixture
async def hermes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Client, Script]]:
    """A client of a model that thinks and calls, and writes what it is told to."""
    thought = "{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}"
    opening = "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking %}<think>\n{% endif %}"
    template = HERMES.replace("{{ m.content }}", thought) + opening + "{{ reasoning_effort }}{% endif %}"
    folder = model_folder(tmp_path, template)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        yield app.test_client(), script


async def chatted(client: Client, path: str = OPENAI_CHAT, **fields: Any) -> str:
    """Return what a chat or a completion answers to the same."""
    body = {"max_tokens": 24, "temperature": 0, "repeat_penalty": 1} | fields
    status, answer = await post(client, path, body)
    assert status == 200, answer
    choice = answer["choices"][0]
    text: str = choice["text"] if path == COMPLETIONS else choice["message"]["content"]
    return text


@field(ASKED, "messages", "options")
@field(PROMPTED, "prompt", "options")
@field("OllamaMessage", "role", "content")
@field("OllamaOptions", *FREE)
@pytest.mark.parametrize("name", [None, *FREE])
async def test_sampling_is_that_of_a_chat(client: Client, name: str | None) -> None:
    fields = FREE | {"seed": 3} if name == "seed" else {key: value for key, value in FREE.items() if key != name}
    expected = await chatted(client, messages=HELLO, **({"temperature": None, "repeat_penalty": None} | fields))

    assert await said(client, options=fields | {"num_predict": 24}) == expected
    assert await said(client, GENERATE, options=fields | {"num_predict": 24}) == expected


@field("OllamaOptions", "presence_penalty", "frequency_penalty", "mirostat", "mirostat_tau", "mirostat_eta")
async def test_penalties_and_mirostat_are_those_of_a_chat(client: Client) -> None:
    penalties = {"presence_penalty": 1.5, "frequency_penalty": 1.5}
    mirostat = {"mirostat_tau": 1.0, "mirostat_eta": 0.9}
    free = FREE | {"num_predict": 24}
    plain = await said(client, options=OPTIONS)

    penalised = await said(client, options=OPTIONS | penalties)
    surprised = await said(client, options=free | {"mirostat": 2} | mirostat)

    body = {"messages": HELLO, "max_tokens": 24}
    assert penalised == await chatted(client, **body, **penalties) != plain
    assert surprised == await chatted(client, **body, **FREE, mirostat_mode=2, **mirostat)
    assert surprised != await said(client, options=free | {"mirostat": 2})


@field("OllamaOptions", "num_predict", "stop", "num_ctx")
async def test_limits_and_stops(client: Client) -> None:
    whole = await said(client)
    three = await answered(client, options=OPTIONS | {"num_predict": 3})
    stopped = await answered(client, options=OPTIONS | {"stop": whole[10:13], "num_ctx": 512})
    endless = await answered(client, options=OPTIONS | {"num_predict": -1})

    assert (three["done_reason"], three["eval_count"]) == ("length", 3)
    assert three["prompt_eval_count"] > 10
    assert all(isinstance(three[name], int) and three[name] >= 0 for name in STATISTICS)
    assert (stopped["message"]["content"], stopped["done_reason"]) == (whole[: whole.index(whole[10:13])], "stop")
    assert endless["prompt_eval_count"] + endless["eval_count"] <= 512
    assert endless["eval_count"] > 24
    assert await refused(client, options={"num_ctx": 513}) == "options.num_ctx"


@pytest.mark.parametrize("path", [CHAT, GENERATE])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"options": {"stop": ["a"] * 129}}, "options.stop"),
        ({"options": {"top_p": 2}}, "options.top_p"),
        ({"options": {"repeat_last_n": 5}}, "options.repeat_last_n"),
        ({"options": {"dry_multiplier": 0.8}}, "options.dry_multiplier"),
        ({"format": {"type": 5}}, "format"),
        ({"format": "xml"}, "format"),
        ({"think": True}, "think"),
        ({"think": "high"}, "think"),
        ({"keep_alive": "for ever"}, "keep_alive"),
        ({"template": "{{ .Prompt }}"}, "template"),
        ({"context": [1, 2]}, "context"),
        ({"logprobs": True}, "logprobs"),
        ({"seed": 7}, "seed"),
    ],
    ids=str,
)
async def test_what_is_not_served_is_refused_by_name(
    client: Client, path: str, fields: dict[str, Any], param: str
) -> None:
    assert (await refused(client, path, **fields)).removesuffix(".0") == param


@pytest.mark.parametrize(
    "duration", ["5m", "300", "-1", "+5m", "1h30m", ".5h", "1.h", "-1.5s", "7μs", "7µs", 300.5, -1]
)
async def test_each_way_to_write_a_duration_is_read(client: Client, duration: str | float) -> None:
    assert await said(client, keep_alive=duration) == await said(client)


@pytest.mark.parametrize("duration", ["", "m", "5x", ".h", "+", "1h 30m"])
async def test_what_is_no_duration_is_refused(client: Client, duration: str) -> None:
    assert await refused(client, keep_alive=duration) == "keep_alive"


async def test_what_has_no_effect_on_an_answer_is_accepted(client: Client) -> None:
    idle = {"num_gpu": 1, "num_thread": 2, "num_keep": 4, "use_mmap": True, "repeat_last_n": 64, "num_batch": None}

    assert await said(client, options=OPTIONS | idle, keep_alive="5m", context=[]) == await said(client)


@field(ASKED, "stream")
@field(PROMPTED, "stream")
@pytest.mark.parametrize("path", [CHAT, GENERATE])
async def test_lines_come_unless_stream_is_false(client: Client, path: str) -> None:
    lines = await streamed(client, path)

    status, answer = await post(client, path, BODY[path] | {"stream": False})
    assert len(lines) > 5
    assert (status, answer["done"]) == (200, True)
    assert await refused(client, path, stream="no") == "stream"


@field(ASKED, "format")
@field(PROMPTED, "format")
@pytest.mark.parametrize("path", [CHAT, GENERATE])
async def test_the_text_follows_the_format(client: Client, path: str) -> None:
    options = OPTIONS | {"num_predict": 120}

    followed = await said(client, path, format=SCHEMA, options=options)
    some = await said(client, path, format="json", options=options)

    assert json.loads(followed) == {"at": 1}
    assert isinstance(json.loads(some), dict)
    assert await said(client, path, format="") == await said(client, path)


@field(PROMPTED, "system", "raw", "suffix")
async def test_a_prompt_is_a_chat_or_a_text(client: Client) -> None:
    system = [{"role": "system", "content": "Be brief."}, *HELLO]

    assert await said(client, GENERATE, system="Be brief.") == await chatted(client, messages=system)
    raw = await chatted(client, COMPLETIONS, prompt="Hello")
    assert await said(client, GENERATE, raw=True) == raw != await said(client, GENERATE)
    filled = await chatted(client, COMPLETIONS, prompt="Hello", suffix=" world")
    assert await said(client, GENERATE, suffix=" world") == filled != raw
    assert await refused(client, GENERATE, raw=True, system="a") == "system"


@field(PROMPTED, "images")
@field("OllamaMessage", "images")
async def test_an_image_is_refused_where_it_stands(client: Client) -> None:
    picture = {"role": "user", "content": "What is this?", "images": ["iVBORw0KGgo="]}

    assert await refused(client, messages=[*HELLO, picture]) == "messages.1.images"
    assert await refused(client, GENERATE, images=["iVBORw0KGgo="]) == "images"
    assert await refused(client, GENERATE, images=["iVBORw0KGgo="], raw=True) == "images"


@field(ASKED, "tools")
async def test_calls_come_whole_as_objects(hermes: tuple[Client, Script]) -> None:
    client, script = hermes
    script.say(f"Let me see.\n{CALL}\n{CALL}")

    answer = await answered(client, tools=[TOOL], options=OPTIONS | {"num_predict": 200})
    lines = await streamed(client, tools=[TOOL], options=OPTIONS | {"num_predict": 200})

    calls = [each["function"] for each in answer["message"]["tool_calls"]]
    assert calls == [{"index": at, "name": "look", "arguments": {"at": 1}} for at in range(2)]
    streamed_calls = [call["function"] for each in lines for call in each["message"].get("tool_calls", ())]
    assert streamed_calls == calls
    assert answer["message"]["content"].startswith("Let me see.")


@field("OllamaMessage", "tool_calls", "tool_name", "tool_call_id")
@field("OllamaToolCall", "id", "function")
@field("OllamaFunctionCall", "name", "arguments")
async def test_calls_and_results_are_those_of_a_chat(client: Client) -> None:
    function = {"name": "look", "arguments": {"at": 1}}
    answers = [{"role": "assistant", "content": "", "tool_calls": [{"function": function}]}]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    told = {"role": "tool", "content": "a bird"}
    expected = await chatted(
        client,
        messages=[*HELLO, {"role": "assistant", "tool_calls": [call]}, told | {"tool_call_id": "call_1"}],
        tools=[TOOL],
        tool_choice="auto",
    )

    for result in (told, told | {"tool_name": "look"}):
        assert await said(client, messages=[*HELLO, *answers, result], tools=[TOOL]) == expected
    named = [{"role": "assistant", "tool_calls": [{"id": "x", "function": function}]}, told | {"tool_call_id": "x"}]
    assert await said(client, messages=[*HELLO, *named], tools=[TOOL]) == expected
    assert await said(client, messages=[*HELLO, *answers, told | {"content": "no"}], tools=[TOOL]) != expected


@field(ASKED, "think")
@field(PROMPTED, "think")
@field("OllamaMessage", "thinking")
@pytest.mark.parametrize("path", [CHAT, GENERATE])
async def test_a_thought_is_told_apart(hermes: tuple[Client, Script], path: str) -> None:
    client, script = hermes
    script.say("Hm.\n</think>\n\nYes.")

    answer = await answered(client, path, think=True)
    harder = await answered(client, path, think="high")

    said_of = answer["message"] if path == CHAT else answer
    assert said_of["thinking"] == "Hm."
    assert said_of["content" if path == CHAT else "response"] == "Yes."
    assert harder["prompt_eval_count"] != answer["prompt_eval_count"]
    thought = [{"role": "assistant", "content": "Yes.", "thinking": "Hm."}, *HELLO]
    plain = [{"role": "assistant", "content": "Yes."}, *HELLO]
    with_thought, without = [await answered(client, messages=[*HELLO, *each]) for each in (thought, plain)]
    assert with_thought["prompt_eval_count"] > without["prompt_eval_count"]


@field(ASKED, "model", "keep_alive")
@field(PROMPTED, "model", "keep_alive")
@field("OllamaEmbedRequest", "model", "keep_alive")
@field("OllamaEmbeddingsRequest", "model", "keep_alive")
async def test_zero_unloads_for_whoever_may() -> None:
    async with serving(api_key="k3y", admin_key="4dmin") as app:
        client, key, admin = app.test_client(), {"x-api-key": "k3y"}, {"x-api-key": "4dmin"}
        generates, embeds = server_of(app).roster.residents
        for path in (CHAT, GENERATE, EMBED, EMBEDDINGS):
            gone = BODY[path] | {"model": "reference:latest", "keep_alive": 0, "stream": False}
            assert (await post(client, path, gone, **key))[0] == 403
            assert (await post(client, path, gone | {"keep_alive": "10m"}, **key))[0] == 200
            assert (await post(client, path, gone | {"keep_alive": "0s"}, **admin))[0] == 200
            resident = embeds if path in (EMBED, EMBEDDINGS) else generates
            await until(lambda: resident.status == "unloaded")  # noqa: B023
        loaded = await post(client, CHAT, {"messages": [], "stream": False}, **key)
        left = await post(client, GENERATE, {"stream": False, "keep_alive": 0}, **admin)
        assert (loaded[1]["done_reason"], left[1]["done_reason"]) == ("load", "unload")
        assert generates.status == "unloaded"


@field("OllamaEmbedRequest", "input", "dimensions", "options")
@field("OllamaEmbeddingsRequest", "prompt", "options")
async def test_vectors_are_those_of_embeddings(client: Client) -> None:
    _, expected = await post(client, "/v1/embeddings", {"input": ["a cat", "a dog"]})
    vectors = [each["embedding"] for each in expected["data"]]

    _, several = await post(client, EMBED, {"input": ["a cat", "a dog"], "options": {"num_ctx": 512}})
    _, one = await post(client, EMBEDDINGS, {"prompt": "a cat"})

    assert several["embeddings"] == [pytest.approx(each) for each in vectors]
    assert several["prompt_eval_count"] == expected["usage"]["prompt_tokens"]
    assert one["embedding"] == pytest.approx(vectors[0])
    assert await refused(client, EMBED, dimensions=7) == "dimensions"
    for path in (EMBED, EMBEDDINGS):
        assert await refused(client, path, options={"num_ctx": 9999}) == "options.num_ctx"


@field("OllamaEmbedRequest", "truncate")
async def test_the_end_of_a_text_that_does_not_fit_is_left_out(client: Client) -> None:
    long = "the old house " * 300

    asked = [{"input": [long, "a cat"]} | each for each in ({}, {"truncate": True}, {"truncate": None})]
    cut, too, (status, other) = [await post(client, EMBED, each) for each in asked]
    start = (await post(client, "/extras/tokenize", {"input": long}))[1]["tokens"][:512]

    _, expected = await post(client, "/v1/embeddings", {"input": start})
    _, short = await post(client, EMBED, {"input": "a cat"})
    assert (status, cut[1]["prompt_eval_count"]) == (200, 512 + short["prompt_eval_count"])
    for answer in (cut[1], too[1], other):
        assert answer["embeddings"][0] == pytest.approx(expected["data"][0]["embedding"])
    assert await refused(client, EMBED, input=long, truncate=False) == "input"
    assert await refused(client, EMBEDDINGS, prompt=long) == "prompt"


async def test_of_no_text_the_model_is_loaded() -> None:
    async with serving(load="request") as app:
        client = app.test_client()
        _, embeds = server_of(app).roster.residents
        for path, body, told in (
            (EMBED, {"input": []}, {"embeddings": []}),
            (EMBED, {"input": ""}, {"embeddings": []}),
            (EMBEDDINGS, {"prompt": ""}, {"embedding": []}),
        ):
            status, answer = await post(client, path, body)

            assert (status, answer | told, embeds.status) == (200, answer, "loaded"), path
            await post(client, path, body | {"keep_alive": 0})
            await until(lambda: embeds.status == "unloaded")


@field("OllamaShowRequest", "model", "name", "verbose")
async def test_models_are_told(client: Client) -> None:
    answers = [await client.get(path) for path in ("/api/tags", "/api/ps", "/api/version")]
    tags, loaded, version = [await each.get_json() for each in answers]
    shown = [(await post(client, SHOW, body))[1] for body in ({}, {"name": "reference"}, {"model": "reference:latest"})]

    assert [each["name"] for each in tags["models"]] == ["reference"]
    assert [(each["name"], each["context_length"]) for each in loaded["models"]] == [("reference", 512)]
    assert version["version"].count(".") == 2
    assert shown[0] == shown[1] == shown[2]
    assert {"completion", "tools", "embedding"} <= set(shown[0]["capabilities"])
    assert (await post(client, SHOW, {"model": "nobody", "verbose": True}))[0] == 404


async def test_what_several_models_can_do_is_told_once(tmp_path: Path) -> None:
    async with serving(model=("reference", copied(tmp_path, "other"))) as app:
        _, shown = await post(app.test_client(), SHOW, {})

    assert "completion" in shown["capabilities"]
    assert len(shown["capabilities"]) == len(set(shown["capabilities"]))


async def test_errors_have_ollamas_shape_from_the_first_hop() -> None:
    async with serving(api_key="k3y") as app:
        client = app.test_client()
        status, answer = await post(client, CHAT, {})

        assert (status, answer["code"], isinstance(answer["error"], str)) == (401, "invalid_api_key", True)
        assert (await client.get("/api/tags")).status_code == 401
        assert isinstance((await (await client.get("/api")).get_json())["error"], str)
