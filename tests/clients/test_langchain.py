"""LangChain's OpenAI integration: chat, streams, embeddings, completions, structured answers, tools and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("langchain_openai", reason="LangChain is not installed; run tox -e client-langchain")

from langchain_core.exceptions import ContextOverflowError, ModelAuthenticationError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import StructuredTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from tests.clients.direct import (
    CHAT,
    FRANCE,
    HELLO,
    KEY,
    MAX_STRUCTURED_TOKENS,
    MAX_TOKENS,
    OVERLONG,
    PARIS,
    REFERENCE,
    Capital,
    City,
    completion_text,
    hello,
    hello_text,
    vector,
)
from tests.clients.round_trip import (
    DESCRIPTION,
    EARLIER,
    FOLLOW_UP,
    INSTRUCTIONS,
    NAME,
    TOLD,
    expected_answers,
)
from tests.clients.round_trip import MAX_TOKENS as MAX_TRIP_TOKENS
from tests.e2e.server_process import ServerProcess

# LangChain dumps the answer that openai has parsed, whose type pydantic did not expect there.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings:UserWarning:pydantic")


class Place(BaseModel):
    city: str


def chat_model(server: ServerProcess, **options: Any) -> ChatOpenAI:
    given: dict[str, Any] = {"model": REFERENCE, "temperature": 0, "max_tokens": MAX_TOKENS, "api_key": KEY}
    return ChatOpenAI(base_url=f"{server.url}/v1", max_retries=0, **given | options)


def structured(server: ServerProcess, **options: Any) -> Any:
    return chat_model(server, max_tokens=MAX_STRUCTURED_TOKENS).with_structured_output(Capital, **options)


def test_chat(reference: ServerProcess) -> None:
    answer = chat_model(reference).invoke(HELLO)

    usage = hello(reference)["usage"]
    assert answer.content == hello_text(reference)
    assert answer.response_metadata["finish_reason"] == "length"
    assert answer.response_metadata["model_name"] == REFERENCE
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["input_tokens"] == usage["prompt_tokens"]
    assert answer.usage_metadata["output_tokens"] == MAX_TOKENS


def test_stream_with_usage(reference: ServerProcess) -> None:
    first, *others = chat_model(reference, stream_usage=True).stream(HELLO)
    answer: AIMessageChunk = sum(others, first)

    assert answer.content == hello_text(reference)
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == MAX_TOKENS


async def test_asynchronous_batch(reference: ServerProcess) -> None:
    answers = await chat_model(reference).abatch([HELLO, HELLO, HELLO])

    assert [answer.content for answer in answers] == [hello_text(reference)] * 3


def test_embeddings(reference: ServerProcess) -> None:
    # With the check, LangChain would send token ids of OpenAI's own tokenizer.
    model = OpenAIEmbeddings(
        model=REFERENCE, base_url=f"{reference.url}/v1", api_key=KEY, check_embedding_ctx_length=False
    )

    vectors = model.embed_documents(["the sun", "the river"])

    assert np.allclose(vectors, [vector(reference, "the sun"), vector(reference, "the river")], atol=1e-6)


def test_completions_and_their_stream(reference: ServerProcess) -> None:
    model = OpenAI(model=REFERENCE, base_url=f"{reference.url}/v1", api_key=KEY, temperature=0, max_tokens=MAX_TOKENS)

    assert model.invoke(HELLO) == completion_text(reference)
    assert "".join(model.stream(HELLO)) == completion_text(reference)


def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess) -> None:
    with pytest.raises(ModelAuthenticationError, match="key is wrong"):
        chat_model(reference, api_key="wrong").invoke(HELLO)


def test_an_overlong_prompt_is_a_context_overflow(reference: ServerProcess) -> None:
    with pytest.raises(ContextOverflowError, match="512 tokens"):
        chat_model(reference).invoke(OVERLONG)


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
def test_structured_output(reference: ServerProcess, method: str) -> None:
    model = structured(reference, method=method, include_raw=method == "json_mode")

    answer = model.invoke(f"{HELLO} Answer in JSON.")

    if method == "json_mode":  # any object is right; whether it is a Capital is up to the model
        assert answer["raw"].content.startswith("{")
    else:
        assert answer == PARIS


def test_structured_stream_ends_in_the_whole(reference: ServerProcess) -> None:
    answers = list(structured(reference, method="json_schema").stream(HELLO))

    assert answers[-1] == PARIS


def test_bound_tool_is_called(reference: ServerProcess) -> None:
    model = chat_model(reference, max_tokens=MAX_STRUCTURED_TOKENS)

    answer = model.bind_tools([Capital], tool_choice="any", parallel_tool_calls=False).invoke(HELLO)

    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("Capital", PARIS.model_dump())
    assert answer.response_metadata["finish_reason"] == "tool_calls"


def test_streamed_tool_call(reference: ServerProcess) -> None:
    model = chat_model(reference, max_tokens=MAX_STRUCTURED_TOKENS).bind_tools([Capital], tool_choice="Capital")

    first, *others = model.stream(HELLO)
    answer: AIMessageChunk = sum(others, first)

    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("Capital", PARIS.model_dump())]


def test_a_tools_result_reaches_the_prompt(reference: ServerProcess) -> None:
    model = chat_model(reference).bind_tools([Capital])

    def num_prompt_tokens(result: str) -> int:
        call = {"name": "Capital", "args": PARIS.model_dump(), "id": "call_1"}
        history = [HumanMessage(HELLO), AIMessage("", tool_calls=[call]), ToolMessage(result, tool_call_id="call_1")]
        answer = model.invoke(history)
        assert answer.usage_metadata is not None
        return answer.usage_metadata["input_tokens"]

    assert num_prompt_tokens("Paris, on the Seine") > num_prompt_tokens("Paris")


def gathered(model: Any, turns: list[Any]) -> AIMessage:
    first, *others = model.stream(turns)
    answer: AIMessageChunk = sum(others, first)
    return answer


def invoked(model: Any, turns: list[Any]) -> AIMessage:
    answer: AIMessage = model.invoke(turns)
    return answer


@pytest.mark.weights
@pytest.mark.parametrize("say", [invoked, gathered])
def test_round_trip(weights: ServerProcess, say: Any) -> None:
    tool = StructuredTool.from_function(
        lambda city: TOLD.format(city=city), name=NAME, description=DESCRIPTION, args_schema=Place
    )
    model = chat_model(weights, model=CHAT, max_tokens=MAX_TRIP_TOKENS)
    turns: list[Any] = [{"role": "system", "content": INSTRUCTIONS}, *EARLIER]

    asked = say(model.bind_tools([tool], tool_choice="required"), turns)
    turns += [asked, *(tool.invoke(call) for call in asked.tool_calls)]
    first = say(model.bind_tools([tool]), turns)
    second = say(model.bind_tools([tool]), [*turns, first, HumanMessage(FOLLOW_UP)])

    cities = [call["args"]["city"] for call in asked.tool_calls]
    expected = expected_answers(weights, cities, first.text, convert_to_openai_tool(tool))
    assert [first.text, second.text] == expected


@pytest.mark.weights
def test_real_weights_answer_in_the_asked_form(weights: ServerProcess) -> None:
    model = chat_model(weights, model=CHAT, max_tokens=MAX_STRUCTURED_TOKENS).with_structured_output(City)

    answer = model.invoke(FRANCE)

    assert isinstance(answer, City)
    assert answer.name


@pytest.mark.weights
def test_real_weights_know_paris(weights: ServerProcess) -> None:
    assert "Paris" in chat_model(weights, model=CHAT, max_tokens=30).invoke(FRANCE).text
