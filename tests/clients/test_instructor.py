"""Instructor over OpenAI's client: answers as classes, in each of its modes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

pytest.importorskip("instructor", reason="Instructor is not installed; run tox -e client-instructor")

import instructor
from instructor.core import IncompleteOutputException, InstructorRetryException

from tests.clients.direct import CHAT, FRANCE, HELLO, KEY, MAX_STRUCTURED_TOKENS, OVERLONG, PARIS, Capital, City
from tests.e2e.server_process import ServerProcess

MODES = ["TOOLS", "JSON_SCHEMA"]
"""The modes whose schema binds the answer; in JSON and MD_JSON it is a wish in the prompt."""


class AnyObject(BaseModel, extra="allow"):
    pass


@pytest.fixture
def client(reference: ServerProcess) -> Iterator[openai.OpenAI]:
    with reference.client(api_key=KEY) as client:
        yield client


def create(client: openai.OpenAI, mode: str, **options: Any) -> Any:
    given: dict[str, Any] = {"model": "reference", "response_model": Capital, "max_retries": 0, "temperature": 0}
    given |= {"messages": [{"role": "user", "content": HELLO}], "max_tokens": MAX_STRUCTURED_TOKENS}
    return instructor.from_openai(client, mode=instructor.Mode[mode]).chat.completions.create(**given | options)


@pytest.mark.parametrize("mode", MODES)
def test_answer_in_the_form_of_a_class(client: openai.OpenAI, mode: str) -> None:
    answer = create(client, mode)

    assert isinstance(answer, Capital)
    assert answer.model_dump() == PARIS.model_dump()


@pytest.mark.parametrize("mode", MODES)
def test_partial_answers_end_in_the_whole(client: openai.OpenAI, mode: str) -> None:
    answers = list(create(client, mode, response_model=instructor.Partial[Capital], stream=True))

    assert answers[-1].model_dump() == PARIS.model_dump()


def test_json_mode_answers_an_object(client: openai.OpenAI) -> None:
    assert isinstance(create(client, "JSON", response_model=AnyObject), AnyObject)


def test_answer_with_the_completion_it_came_from(client: openai.OpenAI) -> None:
    answer = create(client, "TOOLS")

    assert answer._raw_response.usage.completion_tokens > 0
    assert answer._raw_response.choices[0].finish_reason in ("stop", "tool_calls")


def test_an_answer_cut_at_the_limit_is_incomplete(client: openai.OpenAI) -> None:
    with pytest.raises(IncompleteOutputException):
        create(client, "MD_JSON", max_tokens=3)


def test_a_wrong_key_is_an_authentication_error(reference: ServerProcess) -> None:
    with reference.client(api_key="wrong") as client, pytest.raises(InstructorRetryException) as refused:
        create(client, "MD_JSON")

    assert isinstance(refused.value.__cause__, openai.AuthenticationError)


def test_an_overlong_prompt_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(InstructorRetryException) as refused:
        create(client, "MD_JSON", messages=[{"role": "user", "content": OVERLONG}])

    assert isinstance(refused.value.__cause__, openai.BadRequestError)
    assert refused.value.__cause__.code == "context_length_exceeded"


@pytest.mark.weights
@pytest.mark.parametrize("mode", MODES)
def test_real_weights_answer_in_the_asked_form(weights: ServerProcess, mode: str) -> None:
    asked = [{"role": "user", "content": FRANCE}]

    with weights.client(api_key=KEY) as client:
        answer = create(client, mode, model=CHAT, messages=asked, response_model=City)

    assert isinstance(answer, City)
    assert answer.name
