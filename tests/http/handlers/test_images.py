"""Images in a chat: they are part of the prompt, and what is wrong with one is a 400 that names it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from jan_ort_backends import Capability
from tests.http.handlers.serving import CHAT, Client, engine_of, post, serving
from tests.images.pictures import bomb, data_url, encoded, pixels

DARK, LIGHT = (data_url(encoded(np.full((9, 9, 3), shade, np.uint8))) for shade in (20, 220))
QUESTION = {"type": "text", "text": "What is it?"}
NUM_VECTORS = 16


def image(url: str, **more: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def said(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client() -> AsyncIterator[Client]:
    async with serving(model="reference-images") as app:
        yield app.test_client()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def asked(client: Client, *content: Any, **more: Any) -> Any:
    status, answer = await post(client, CHAT, {"messages": said(*content), "temperature": 0, "max_tokens": 8} | more)
    assert status == 200, answer
    return answer


async def text_of(client: Client, *content: Any) -> str:
    text: str = (await asked(client, *content))["choices"][0]["message"]["content"]
    return text


async def test_an_image_changes_the_answer_and_so_does_the_order(client: Client) -> None:
    contents = [[QUESTION], [image(DARK), QUESTION], [image(LIGHT), QUESTION]]
    contents += [[image(DARK), image(LIGHT), QUESTION], [image(LIGHT), image(DARK), QUESTION], [QUESTION, image(DARK)]]

    texts = [await text_of(client, *content) for content in contents]

    assert len(set(texts)) == len(texts)
    assert await text_of(client, *contents[1]) == texts[1]


async def test_its_tokens_are_counted(client: Client) -> None:
    without = (await asked(client, QUESTION))["usage"]
    low = (await asked(client, QUESTION, image(DARK, detail="low")))["usage"]
    beside = (await asked(client, QUESTION, image(DARK), n=2))["usage"]

    assert without["prompt_tokens_details"]["image_tokens"] == 0
    assert beside["prompt_tokens_details"]["image_tokens"] == NUM_VECTORS
    assert beside["prompt_tokens"] == without["prompt_tokens"] + NUM_VECTORS + 2
    assert low["prompt_tokens_details"]["image_tokens"] == 4


async def test_the_next_turn_finds_the_image_in_the_cache(client: Client) -> None:
    first = said(image(LIGHT), {"type": "text", "text": "Who is that in the middle?"})
    turns = [*first, {"role": "assistant", "content": "Nobody."}, {"role": "user", "content": "And beside him?"}]
    before = (await post(client, CHAT, {"messages": first, "max_tokens": 1}))[1]["usage"]["prompt_tokens"]

    status, answer = await post(client, CHAT, {"messages": turns, "max_tokens": 1})

    assert status == 200
    assert answer["usage"]["prompt_tokens_details"]["cached_tokens"] >= before - 2


async def test_words_are_no_image(client: Client) -> None:
    words = {"type": "text", "text": "<image> \U000f0000"}

    plain = await asked(client, words)
    beside = await asked(client, words, image(DARK))

    assert plain["usage"]["prompt_tokens_details"]["image_tokens"] == 0
    assert beside["usage"]["prompt_tokens_details"]["image_tokens"] == NUM_VECTORS


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("data:image/png;base64,AA==", "is not a complete PNG file"),
        (data_url(encoded(pixels())[:90]), "is not a complete PNG file"),
        (data_url(encoded(pixels()), "image/jpeg"), "is not a complete JPEG file"),
        (data_url(bomb(60_000, 600)), "60000 × 600 pixels"),
        ("data:image/png;base64,%%%", "base64 is broken"),
        ("file:///etc/passwd", "not fetch images from 'file' URLs"),
        ("https://example.org/a.png", "does not fetch images from 'example.org'"),
        ("nothing", "not fetch images from 'nothing' URLs"),
    ],
)
async def test_what_cannot_be_read_is_refused_by_its_place(client: Client, url: str, told: str) -> None:
    status, answer = await post(client, CHAT, {"messages": said(image(DARK), QUESTION, image(url))})

    assert (status, answer["error"]["param"]) == (400, "messages.0.content.2.image_url")
    assert told in answer["error"]["message"]


async def test_more_images_than_the_context_holds_are_refused(client: Client) -> None:
    status, answer = await post(client, CHAT, {"messages": said(*[image(DARK)] * 30)})
    many = await post(client, CHAT, {"messages": said(*[image(DARK)] * 65)})

    assert (status, answer["error"]["code"]) == (400, "context_length_exceeded")
    assert (many[0], many[1]["error"]["param"]) == (400, "messages.0.content.64.image_url")


async def test_images_do_not_disturb_others(client: Client) -> None:
    plain = {"messages": said(QUESTION), "temperature": 0, "max_tokens": 8}
    alone = await post(client, CHAT, plain)
    broken = {"messages": said(image("data:image/png;base64,AA=="))}

    answers = await asyncio.gather(*[post(client, CHAT, body) for body in [plain, broken] * 4])

    assert [status for status, _ in answers] == [200, 400] * 4
    assert all(answer["choices"] == alone[1]["choices"] for _, answer in answers[::2])


async def test_an_image_that_comes_again_is_encoded_once() -> None:
    async with serving(model="reference-images") as app:
        for _ in range(3):
            await asked(app.test_client(), image(DARK), image(LIGHT), image(DARK))

        assert engine_of(app).images.num_encoded == 2


async def test_an_isolated_model_reads_images_too() -> None:
    async with serving(model="reference-images") as plain, serving(model="reference-images", isolate=True) as isolated:
        found = [await text_of(app.test_client(), image(DARK), QUESTION) for app in (plain, isolated)]

    assert found[0] == found[1]


async def test_a_model_that_reads_images_says_so() -> None:
    async with serving(model="reference-images") as app:
        models = await (await app.test_client().get("/v1/models")).get_json()

    assert Capability.IMAGES == "images"
    assert "vision" in str(models)


async def test_other_protocols_say_what_a_chat_does_of_an_image(client: Client) -> None:
    expected, data = await text_of(client, QUESTION, image(DARK)), DARK.partition("base64,")[2]
    block = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}
    options = {"temperature": 0, "num_predict": 8}
    turn = {"role": "user", "content": "What is it?", "images": [data]}

    body = {"messages": said(QUESTION, block), "temperature": 0, "max_tokens": 8}
    _, message = await post(client, "/v1/messages", body)
    _, counted = await post(client, "/v1/messages/count_tokens", {"messages": body["messages"]})
    _, chat = await post(client, "/api/chat", {"messages": [turn], "options": options, "stream": False})
    prompt = {"prompt": "What is it?", "images": [data], "options": options, "stream": False}
    _, prompted = await post(client, "/api/generate", prompt)

    assert message["content"][0]["text"] == expected
    assert message["usage"]["input_tokens"] == counted["input_tokens"] > NUM_VECTORS
    assert chat["message"]["content"] == prompted["response"] == expected
