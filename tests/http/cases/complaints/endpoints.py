"""What is said of the endpoints beside those of chats."""

from __future__ import annotations

import asyncio
import base64
import struct
from typing import Any

import pytest

from tests.http.cases.case_lines import COMPLAINTS, Line
from tests.http.fields.asking import answered, ask, refused
from tests.http.handlers.serving import CHAT, EMBEDDINGS, EVERY_TASK, HELLO, Client, serving
from tests.http.responses.asking import respond_streamed


@COMPLAINTS.of("G4")
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


@COMPLAINTS.of("G1")
async def base64_holds_the_floats(client: Client, line: Line) -> None:
    floats, packed = [
        (await answered(client, EMBEDDINGS, input="a", encoding_format=each))["data"][0]["embedding"]
        for each in ("float", "base64")
    ]

    unpacked = struct.unpack(f"<{len(floats)}f", base64.b64decode(packed))
    assert list(unpacked) == pytest.approx(floats, abs=1e-7)


@COMPLAINTS.of("G2")
async def token_ids_are_input(client: Client, line: Line) -> None:
    assert len((await answered(client, EMBEDDINGS, input=[[1, 2, 3], [4, 5]]))["data"]) == 2
    assert await refused(client, EMBEDDINGS, {"input": [[10**6]]}) == (400, "input")


@COMPLAINTS.of("G3")
async def many_embeddings_at_once_are_those_of_one_by_one(client: Client, line: Line) -> None:
    inputs = [[f"text {at} of {each}" for each in range(8)] for at in range(32)]
    together = await asyncio.gather(*(answered(client, EMBEDDINGS, input=each) for each in inputs))

    for given, answer in [*zip(inputs, together, strict=True)][::8]:
        alone = await answered(client, EMBEDDINGS, input=given[0])
        assert answer["data"][0]["embedding"] == pytest.approx(alone["data"][0]["embedding"], abs=1e-6)


@COMPLAINTS.of("H1")
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


@COMPLAINTS.of("H2")
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


@COMPLAINTS.of("H3")
async def metrics_tell_of_the_queue_the_tokens_and_the_first_one(client: Client, line: Line) -> None:
    await ask(client, CHAT, max_tokens=2)

    response = await client.get("/metrics")
    text = await response.get_data(as_text=True)

    assert (response.status_code, response.content_type.split(";")[0]) == (200, "text/plain")
    for name in ("num_requests_waiting", "num_requests_running", "prompt_tokens_total", "generation_tokens_total"):
        assert f"vllm:{name}" + "{" in text
    assert "vllm:time_to_first_token_seconds_bucket{" in text
