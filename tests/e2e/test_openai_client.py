"""OpenAI's own Python client against a real server, over a real socket."""

from __future__ import annotations

import numpy as np
import openai
import pytest

from tests.e2e.server_process import ServerProcess

HELLO: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "Say hello to the birds."}]


@pytest.fixture
def client(server: ServerProcess) -> openai.OpenAI:
    return server.client(api_key="k3y")


def test_chat(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="any", messages=HELLO, max_tokens=12, temperature=0)

    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_chat_deltas_joined_are_the_plain_text(client: openai.OpenAI) -> None:
    plain = client.chat.completions.create(model="any", messages=HELLO, max_tokens=40, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model="any",
            messages=HELLO,
            max_tokens=40,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert deltas[0].role == "assistant"
    assert "".join(delta.content or "" for delta in deltas) == plain.choices[0].message.content
    assert chunks[-2].choices[0].finish_reason == plain.choices[0].finish_reason
    assert chunks[-1].usage is not None
    assert plain.usage is not None
    assert chunks[-1].usage.total_tokens == plain.usage.total_tokens


def test_completions_and_their_deltas(client: openai.OpenAI) -> None:
    plain = client.completions.create(model="any", prompt="The sun", max_tokens=20, temperature=0)
    chunks = client.completions.create(model="any", prompt="The sun", max_tokens=20, temperature=0, stream=True)

    assert plain.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == plain.choices[0].text


def test_several_prompts_and_choices(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="any", prompt=["One", "Two"], n=2, max_tokens=3, seed=1)

    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


def test_embeddings_are_asked_for_in_base64_and_equal_the_numbers(client: openai.OpenAI) -> None:
    by_default = client.embeddings.create(model="any", input=["the sun", "the river"])
    as_numbers = client.embeddings.create(model="any", input=["the sun", "the river"], encoding_format="float")

    vectors = np.array([entry.embedding for entry in by_default.data])
    assert np.allclose(vectors, [entry.embedding for entry in as_numbers.data], atol=1e-6)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)


def test_models_are_listed_and_found(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]

    assert names
    assert [client.models.retrieve(name).id for name in names] == names


def test_a_wrong_key_is_an_authentication_error(server: ServerProcess) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        server.client(api_key="wrong").chat.completions.create(model="any", messages=HELLO)

    assert refused.value.response.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_wrong_type_is_an_unprocessable_entity(client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.chat.completions.create(model="any", messages=HELLO, temperature="warm")  # type: ignore[call-overload]

    assert refused.value.param == "temperature"


@pytest.mark.parametrize("stream", [False, True])
def test_an_overlong_prompt_is_a_bad_request_with_openais_code(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(model="any", prompt="word " * 50_000, stream=stream)

    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "prompt"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        client.models.retrieve("org/nobody")

    assert refused.value.code == "model_not_found"


def test_leaving_a_stream_leaves_room_for_the_next(client: openai.OpenAI) -> None:
    for _ in range(20):  # more than there are slots
        chunks = client.completions.create(model="any", prompt="The sun", max_tokens=400, stream=True)
        next(iter(chunks))
        chunks.close()

    answer = client.completions.create(model="any", prompt="The sun", max_tokens=2, temperature=0, timeout=20)

    assert answer.choices[0].text
