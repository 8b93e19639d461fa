"""Every line of complaints.jsonl: what went wrong elsewhere goes right here."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema_rs
import pytest

from tests.http.cases.case_lines import Checks, Line
from tests.http.fields.asking import FREE, GREEDY, answered, ask, refused, said, streamed
from tests.http.fields.offering import tool
from tests.http.handlers.serving import (
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    EVERY_TASK,
    HELLO,
    Client,
    engine_of,
    post,
    serving,
    until,
)
from tests.http.responses.asking import respond_streamed
from tests.http.scripted import model_folder, scripted
from tests.own_settings import without_own_settings

CHECKS = Checks("complaints.jsonl")
ROLES: dict[str, dict[str, Any]] = {
    "system": {},
    "developer": {},
    "assistant": {},
    "tool": {"tool_call_id": "a"},
}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "ok"}
THINKS = "{% for m in messages %}{{ m.role }}: {{ m.content.split('</think>')[-1] }}\n{% endfor %}"
KWARGS: list[dict[str, Any]] = [{"enable_thinking": False}, {"unknown": 1}]
COUNT = "/extras/tokenize/count"
TREE = {
    "$defs": {
        "node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
    },
    "$ref": "#/$defs/node",
}


BOOLEAN: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": {"properties": {"x": {"type": "boolean"}}, "required": ["x"]}},
}


def schema(held: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": held}}}


@CHECKS.of("B1")
async def streams_are_not_buffered(client: Client, line: Line) -> None:
    response = await client.post(CHAT, json={"messages": HELLO, "max_tokens": 1, "stream": True})

    assert response.content_type.startswith("text/event-stream")
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "no-store" in response.headers["Cache-Control"]


@CHECKS.of("B2")
async def a_stream_has_a_comment_before_its_first_token(client: Client, line: Line) -> None:
    from jan_ort.http import sse  # what is sent meanwhile, and how often: tests/http/test_sse.py has the rest

    assert sse.PING.startswith(b":")
    assert sse.PING_INTERVAL_S <= 30


@CHECKS.of("B3")
async def the_last_chunk_alone_says_why(client: Client, line: Line) -> None:
    chunks = await streamed(client, CHAT, max_tokens=2, stream=True)

    *before, last = [chunk["choices"][0] for chunk in chunks]
    assert {choice["finish_reason"] for choice in before} == {None}
    assert last["finish_reason"] == "length"
    assert last["delta"] == {}


@CHECKS.of("B4")
async def usage_is_streamed_if_it_is_wanted(client: Client, line: Line) -> None:
    for path in (CHAT, COMPLETIONS):
        wanted = await streamed(client, path, max_tokens=2, stream=True, stream_options={"include_usage": True})
        plain = await streamed(client, path, max_tokens=2, stream=True)

        assert wanted[-1]["choices"] == []
        assert wanted[-1]["usage"]["completion_tokens"] > 0
        assert not any(chunk.get("usage") for chunk in plain)


@CHECKS.of("B6")
async def no_half_character_is_sent(client: Client, line: Line) -> None:
    fields = schema({"const": "日本🙂"}) | {"max_tokens": 60}
    chunks = await streamed(client, CHAT, stream=True, **fields)

    pieces = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(pieces) == await said(client, CHAT, **fields) == '"日本🙂"'
    assert not any("\ufffd" in piece for piece in pieces)


@CHECKS.of("B7")
async def a_stop_string_is_not_leaked(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE)

    for at in range(1, 5):
        stop = text[at : at + 4]
        chunks = await streamed(client, CHAT, **FREE, stream=True, stop=stop)
        assert (
            "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == text[: text.index(stop)]
        )
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


@CHECKS.of("B8")
async def a_client_that_goes_away_stops_the_work(client: Client, line: Line) -> None:
    engine = engine_of(client.app)
    asked = asyncio.create_task(ask(client, CHAT, max_tokens=400, min_tokens=400, messages=HELLO * 10))
    await asyncio.sleep(0.05)

    asked.cancel()

    await until(lambda: not engine.num_queued)
    assert await said(client, CHAT, **GREEDY)


@CHECKS.of("B9")
async def a_whole_answer_has_no_delta(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, max_tokens=2)

    assert answer["object"] == "chat.completion"
    assert "delta" not in answer["choices"][0]


@CHECKS.of("C1", "C2")
async def a_streamed_call_is_named_once(client: Client, line: Line) -> None:
    chunks = await streamed(
        client,
        CHAT,
        **FREE | {"max_tokens": 200},
        stream=True,
        tools=[tool("f")],
        tool_choice="required",
        parallel_tool_calls=False,
    )

    first, *others = [call for chunk in chunks for call in chunk["choices"][0]["delta"].get("tool_calls", [])]
    assert (bool(first["id"]), first["type"], first["function"]["name"]) == (True, "function", "f")
    assert not any({"id", "type"} & each.keys() or "name" in each["function"] for each in others)
    arguments = "".join(each["function"].get("arguments", "") for each in (first, *others))
    assert json.loads(arguments) == {"at": 1}
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@CHECKS.of("C3")
async def a_call_under_auto_is_no_content(client: Client, line: Line) -> None:
    begins = {"logit_bias": {str(ord("<")): 100}}  # what a model does that wants to call
    held = {"guided_json": {"type": "null"}} | FREE | {"max_tokens": 200}
    chunks = await streamed(client, CHAT, **held, **begins, stream=True, tools=[tool("f", strict=True)])

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert not "".join(delta.get("content") or "" for delta in deltas)
    assert any(delta.get("tool_calls") for delta in deltas)


@CHECKS.of("C4")
async def text_parts_are_content_in_every_role(client: Client, line: Line) -> None:
    parts = [{"type": "text", "text": "ok"}]

    for role, more in ROLES.items():
        messages = [*HELLO, CALL, {"role": role, "content": parts} | more]
        await ask(client, CHAT, messages=messages, max_tokens=1)


@CHECKS.of("C6")
async def a_call_needs_no_content(client: Client, line: Line) -> None:
    for message in (CALL, CALL | {"content": None}):
        await ask(client, CHAT, messages=[*HELLO, message, RESULT], max_tokens=1)


@CHECKS.of("C9")
async def a_tool_needs_no_parameters(client: Client, line: Line) -> None:
    now = {"type": "function", "function": {"name": "now"}}

    answer = await ask(
        client, CHAT, **FREE | {"max_tokens": 200}, tools=[now], tool_choice="required", parallel_tool_calls=False
    )

    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


@CHECKS.of("C10")
async def an_unknown_kind_of_tool_is_named(client: Client, line: Line) -> None:
    status, answer = await post(
        client, CHAT, {"messages": HELLO, "tools": [{"type": "custom", "custom": {"name": "f"}}]}
    )

    assert status in (400, 422)
    assert "tools.0" in answer["error"]["message"]


@CHECKS.of("D1")
async def a_schema_in_the_wrong_place_is_refused(client: Client, line: Line) -> None:
    for given in ({"schema": {"type": "object"}}, {"json_schema": {"name": "x"}}, {}):
        status, param = await refused(
            client, CHAT, {"messages": HELLO, "response_format": {"type": "json_schema"} | given}
        )
        assert (status, param.startswith("response_format")) == (400, True)


@CHECKS.of("D2")
async def a_schema_that_cannot_be_held_is_refused(client: Client, line: Line) -> None:
    for held in ({"type": "string", "pattern": "("}, {"not": {"pattern": "a"}}, {"not": {}}):
        assert (await refused(client, CHAT, {"messages": HELLO} | schema(held)))[0] == 400


@CHECKS.of("D4")
async def a_date_time_can_be_read(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE | {"max_tokens": 60}, **schema({"type": "string", "format": "date-time"}))

    assert datetime.fromisoformat(json.loads(text).upper().replace("Z", "+00:00")).tzinfo is not None


@CHECKS.of("D5")
async def a_recursive_schema_is_held(client: Client, line: Line) -> None:
    text = await said(client, CHAT, **FREE | {"max_tokens": 60}, **schema(TREE))

    assert jsonschema_rs.is_valid(TREE, json.loads(text))


@CHECKS.of("D6")
async def the_empty_schema_ends(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, **FREE | {"max_tokens": 200}, **schema({}))

    json.loads(answer["choices"][0]["message"]["content"])


@CHECKS.of("D7")
async def a_schema_holds_what_follows_the_thought(client: Client, line: Line) -> None:
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        folder = model_folder(Path(directory), f"{THINKS}<think>\n")
        scripted(patch, folder).say('Well, so: {.\n</think>\n\n{"x": true}')
        async with serving(model=str(folder)) as app:
            fields = FREE | {"max_tokens": 120, "response_format": BOOLEAN}
            answer = await ask(app.test_client(), CHAT, **fields)

    message = answer["choices"][0]["message"]
    assert json.loads(message["content"]) == {"x": True}
    assert message["reasoning_content"] == message["reasoning"] == "Well, so: {."


@CHECKS.of("E2")
async def thinking_is_turned_off_in_the_prompt(client: Client, line: Line) -> None:
    switch = "{% if enable_thinking is defined and not enable_thinking %}{{ 12345 }}{% endif %}"
    with TemporaryDirectory() as directory:
        folder = model_folder(Path(directory), THINKS + switch)
        async with serving(model=str(folder)) as app:
            counts = [
                (await post(app.test_client(), COUNT, {"messages": HELLO} | fields))[1]["count"]
                for fields in ({}, *({"chat_template_kwargs": each} for each in KWARGS), {"reasoning_effort": "none"})
            ]

    assert [count - counts[0] for count in counts] == [0, 5, 0, 5]


@CHECKS.of("G4")
async def documents_are_ranked(client: Client, line: Line) -> None:
    body = {"query": "q", "documents": ["a", "b", "q q"], "model": "reference-reranker"}
    async with serving(**EVERY_TASK) as app:
        whole = await answered(app.test_client(), "/v1/rerank", **body)
        best = await answered(app.test_client(), "/v1/rerank", **body, top_n=1, return_documents=True)

    scores = [each["relevance_score"] for each in whole["results"]]
    assert scores == sorted(scores, reverse=True)
    assert sorted(each["index"] for each in whole["results"]) == [0, 1, 2]
    (first,) = best["results"]
    assert (first["index"], first["relevance_score"]) == (whole["results"][0]["index"], scores[0])
    assert first["document"]["text"] == body["documents"][first["index"]]


@CHECKS.of("E3")
async def a_history_of_thoughts_is_taken(client: Client, line: Line) -> None:
    for name in ("reasoning_content", "reasoning"):
        thought = {"role": "assistant", "content": "hi", name: "well"}
        await ask(client, CHAT, messages=[*HELLO, thought, *HELLO], max_tokens=1)


@CHECKS.of("F1")
async def the_newer_name_of_the_limit_is_honoured(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, max_completion_tokens=2, ignore_eos=True)

    assert answer["usage"]["completion_tokens"] == 2
    assert answer["choices"][0]["finish_reason"] == "length"


@CHECKS.of("F2")
async def a_bias_of_no_token_is_refused(client: Client, line: Line) -> None:
    for key in ("999999999", "abc"):
        assert await refused(client, CHAT, {"messages": HELLO, "logit_bias": {key: 5}}) == (400, "logit_bias")
    assert await said(client, CHAT, **GREEDY)


@CHECKS.of("F3")
async def an_echo_of_nothing_scores_the_prompt(client: Client, line: Line) -> None:
    await answered(client, COMPLETIONS, prompt=[""], max_tokens=1)
    answer = await answered(client, COMPLETIONS, prompt="one two", echo=True, max_tokens=0, logprobs=1)

    scores = answer["choices"][0]["logprobs"]["token_logprobs"]
    assert scores[0] is None
    assert len(scores) == answer["usage"]["prompt_tokens"]


@CHECKS.of("F4")
async def log_probabilities_need_no_alternatives(client: Client, line: Line) -> None:
    answer = await ask(client, CHAT, **GREEDY, logprobs=True)

    tokens = answer["choices"][0]["logprobs"]["content"]
    assert tokens
    assert all(each["logprob"] <= 0 and each["top_logprobs"] == [] for each in tokens)


@CHECKS.of("F5")
async def a_prompt_that_is_too_long_is_refused_with_both_numbers(client: Client, line: Line) -> None:
    for is_stream in (False, True):
        status, answer = await post(client, COMPLETIONS, {"prompt": [65] * 513, "stream": is_stream})
        assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
        assert "512" in answer["error"]["message"]
        assert "513" in answer["error"]["message"]


@CHECKS.of("F8")
async def one_model_answers_to_any_name_as_the_docs_say(client: Client, line: Line) -> None:
    for body in ({"model": "nope", "messages": HELLO}, {"messages": HELLO}, {"messages": []}):
        await answered(client, CHAT, **body, max_tokens=1)


@CHECKS.of("F9")
async def null_is_as_if_it_were_not_given(client: Client, line: Line) -> None:
    for name in (
        "temperature",
        "top_p",
        "stream",
        "parallel_tool_calls",
        "n",
        "stop",
        "seed",
        "tools",
        "response_format",
    ):
        await ask(client, CHAT, max_tokens=1, **{name: None})  # tests/http/test_client_nulls.py has all of them


@CHECKS.of("G1")
async def base64_holds_the_floats(client: Client, line: Line) -> None:
    floats, packed = [
        (await answered(client, EMBEDDINGS, input="a", encoding_format=each))["data"][0]["embedding"]
        for each in ("float", "base64")
    ]

    unpacked = struct.unpack(f"<{len(floats)}f", base64.b64decode(packed))
    assert list(unpacked) == pytest.approx(floats, abs=1e-7)


@CHECKS.of("G2")
async def token_ids_are_input(client: Client, line: Line) -> None:
    assert len((await answered(client, EMBEDDINGS, input=[[1, 2, 3], [4, 5]]))["data"]) == 2
    assert await refused(client, EMBEDDINGS, {"input": [[10**6]]}) == (400, "input")


@CHECKS.of("G3")
async def many_embeddings_at_once_are_those_of_one_by_one(client: Client, line: Line) -> None:
    inputs = [[f"text {at} of {each}" for each in range(8)] for at in range(32)]
    together = await asyncio.gather(*(answered(client, EMBEDDINGS, input=each) for each in inputs))

    for given, answer in [*zip(inputs, together, strict=True)][::8]:
        alone = await answered(client, EMBEDDINGS, input=given[0])
        assert answer["data"][0]["embedding"] == pytest.approx(alone["data"][0]["embedding"], abs=1e-6)


@CHECKS.of("H1")
async def a_response_is_streamed_in_the_order_of_its_events(client: Client, line: Line) -> None:
    events = await respond_streamed(client)  # which looks at their numbers and names

    item = ["output_item.added", "content_part.added", "output_text.delta"]
    item += ["output_text.done", "content_part.done", "output_item.done"]
    expected = [
        "created",
        "in_progress",
        *item,
        "completed" if events[-1]["type"].endswith("completed") else "incomplete",
    ]
    assert list(dict.fromkeys(each["type"].removeprefix("response.") for each in events)) == expected
    assert {"created_at", "model"} <= events[0]["response"].keys()


@CHECKS.of("H2")
async def tokens_of_a_message_are_counted_as_they_are_used(client: Client, line: Line) -> None:
    plain: dict[str, Any] = {"messages": HELLO}
    described = {"name": "f", "description": "looks", "input_schema": {"type": "object"}}

    counts = []
    for body in (plain | {"system": "Be brief.", "tools": [described]}, plain):
        counted = await answered(client, "/v1/messages/count_tokens", **body)
        message = await answered(client, "/v1/messages", **body, max_tokens=1)
        assert counted == {"input_tokens": message["usage"]["input_tokens"]}
        counts.append(counted["input_tokens"])

    assert counts[0] > counts[1]


@CHECKS.of("H3")
async def metrics_tell_of_the_queue_the_tokens_and_the_first_one(client: Client, line: Line) -> None:
    await ask(client, CHAT, max_tokens=2)

    response = await client.get("/metrics")
    text = await response.get_data(as_text=True)

    assert (response.status_code, response.content_type.split(";")[0]) == (200, "text/plain")
    for name in ("num_requests_waiting", "num_requests_running", "prompt_tokens_total", "generation_tokens_total"):
        assert f"vllm:{name}" + "{" in text
    assert "vllm:time_to_first_token_seconds_bucket{" in text


@CHECKS.of("I2")
async def a_narrow_console_is_no_error(client: Client, line: Line) -> None:
    environment = without_own_settings(os.environ) | {"PYTHONIOENCODING": "cp1252"}
    command = [sys.executable, "-P", "-m", "jan_ort", "models", "convert", "日本🙂.gguf"]
    done = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=False)

    assert done.returncode
    assert b"Traceback" not in done.stderr
    assert b"UnicodeEncodeError" not in done.stderr


@CHECKS.of("I4")
async def a_stream_outlives_the_unloading_of_its_model(client: Client, line: Line) -> None:
    models = (await (await client.get("/v1/models")).get_json())["data"]
    asked = asyncio.create_task(streamed(client, CHAT, **FREE | {"max_tokens": 300}, stream=True, ignore_eos=True))
    await until(lambda: engine_of(client.app).num_queued > 0)

    status, _ = await post(client, "/models/unload", {"model": models[0]["id"]})

    chunks = await asked
    assert status in (200, 202, 404, 409)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_each_line_has_a_check() -> None:
    assert CHECKS.uncovered() == set()


@CHECKS.parametrized()
async def test_a_line_goes_right(client: Client, line: Line) -> None:
    await CHECKS.run(client, line)
