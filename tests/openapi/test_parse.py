from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel

from jan_ort_openapi import MalformedBody, SchemaViolation, models, parse_body
from jan_ort_openapi.json_text import MAX_DEPTH, MAX_DIGITS

Chat = models.CreateChatCompletionRequest
Completion = models.CreateCompletionRequest
Embedding = models.CreateEmbeddingRequest


def violation(model: type[BaseModel], value: Any) -> SchemaViolation:
    with pytest.raises(SchemaViolation) as caught:
        parse_body(model, json.dumps(value).encode())
    return caught.value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"{", "line 1 column 2"),
        (b'{"prompt": "a",}', "not JSON"),
        (b"{} {}", "not JSON"),
        (b'{"prompt": "\xff"}', "not UTF-8: invalid start byte at byte 12"),
        (b'{"prompt": "\xed\xa0\x80"}', "not UTF-8"),
        ('{"prompt": "a"}'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "BOM"),
        (b'{"temperature": NaN}', "NaN"),
        (b'{"unheard_of": [Infinity]}', "Infinity"),
        (b'{"temperature": -Infinity}', "-Infinity"),
        (b'{"temperature": 1e999}', "1e999"),
        (b'{"seed": -1e999}', "-1e999"),
        (b'{"seed": ' + b"1" * 5000 + b"}", "too many digits: it has 5000 characters; at most 512 are allowed"),
        (b'{"seed": -' + b"1" * 512 + b"}", "too many digits: it has 513 characters; at most 512 are allowed"),
        (b'{"x": ["' + b"1" * 513 + b'", 5, ' + b"1" * 513 + b"]}", "too many digits"),
        (b'{"x": [' + b"1" * 1000 + b".5]}", "too many digits"),
        (b'{"x": [0.' + b"1" * 1000 + b"]}", "too many digits"),
        (b'{"x": 1e' + b"0" * 1000 + b"1}", "too many digits"),
        (b'{"prompt": "\\ud800"}', "lone surrogate"),
        (b'{"prompt": "\\udc00\\ud800"}', "lone surrogate"),
        (b'{"unheard_of": {"\\uDFFF": 1}}', "lone surrogate"),
        (b"[" * 100_000, "deeper than 200 levels"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "deeper than 200 levels"),
        (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "deeper than 200 levels"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_no_json_text_is_malformed(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBody, match=message):
        parse_body(Completion, body)


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        (b"{}", ""),
        (b'\xef\xbb\xbf{"prompt": "a"}', "a"),
        (b'{"prompt": "\\ud83d\\ude00"}', "😀"),
        (b'{"prompt": "\\\\ud800"}', "\\ud800"),
        (b'{"prompt": "a", "prompt": "b"}', "b"),
        (b'{"prompt": 5, "prompt": "[[[[' + b"[" * MAX_DEPTH + b'"}', "[" * (MAX_DEPTH + 4)),
        (b'{"prompt": [' + b"[]," * MAX_DEPTH + b"[]]}", [[]] * (MAX_DEPTH + 1)),
        (b'{"x": 7, "prompt": "' + b"9" * 5000 + b'"}', "9" * 5000),
        (b' \n\t{"prompt": "\xc3\xa9"}\r\n', "é"),
    ],
    ids=lambda value: repr(value[:24]),
)
def test_what_is_json_is_read_as_json(body: bytes, prompt: Any) -> None:
    assert parse_body(Completion, body).prompt == prompt


def test_nesting_at_the_limit_is_accepted() -> None:
    body = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH

    assert parse_body(Completion, body).model_extra is not None


@pytest.mark.parametrize(
    ("literal", "value"),
    [("5.0", 5), ("1e2", 100), ("-0.0", 0), (f"{2**70}", 2**70), (f"-{10**400}", -(10**400)), ("1e22", 10**22)],
)
def test_an_integral_number_of_any_size_is_an_integer(literal: str, value: int) -> None:
    seed = parse_body(Completion, f'{{"seed": {literal}}}'.encode()).seed

    assert seed == value
    assert type(seed) is int


@pytest.mark.parametrize("field", ["temperature", "repeat_penalty"])
def test_a_number_beyond_float64_is_a_violation_although_the_schema_sets_no_limit(field: str) -> None:
    assert violation(Completion, {field: 10**400}).param == field


def test_a_number_field_is_a_float_also_when_the_body_has_an_integer() -> None:
    assert type(parse_body(Completion, b'{"temperature": 1}').temperature) is float


def test_unknown_fields_are_kept_apart() -> None:
    request = parse_body(Completion, b'{"prompt": "a", "unheard_of": 1.5, "model_config": 5}')

    assert request.model_extra == {"unheard_of": 1.5, "model_config": 5}


@pytest.mark.parametrize(
    ("model", "value", "param"),
    [
        (Completion, [], None),
        (Completion, "x", None),
        (Completion, {"prompt": 5.5}, "prompt"),
        (Completion, {"n": True}, "n"),
        (Completion, {"prompt": ["a", 5]}, "prompt.1"),
        (Completion, {"logit_bias": {"5": "x"}}, "logit_bias.5"),
        (Completion, {"stream_options": {"include_usage": 5}}, "stream_options.include_usage"),
        (Embedding, {}, "input"),
        (Chat, {"messages": [{"content": "a"}]}, "messages.0.role"),
        (Chat, {"messages": [{"role": "pope", "content": "a"}]}, "messages.0.role"),
        (Chat, {"messages": [{"role": [], "content": "a"}]}, "messages.0.role"),
        (Chat, {"messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
        (Chat, {"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        (Chat, {"messages": [{"role": "assistant", "tool_calls": 5}]}, "messages.0.tool_calls"),
        (Chat, {"tool_choice": {"type": "function"}}, "tool_choice.function"),
        (Chat, {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": 5}}},
         "response_format.json_schema.schema"),
    ],
)  # fmt: skip
def test_param_names_the_first_failing_field_without_union_branches(
    model: type[BaseModel], value: Any, param: str | None
) -> None:
    error = violation(model, value)

    assert error.param == param
    assert str(error).startswith(f"{param or 'the body'}: ")


@pytest.mark.parametrize(
    ("model", "value", "message"),
    [
        (Chat, {"stop": 5}, "stop: Input should be a valid string, or a valid list"),
        (Chat, {"tool_choice": 5}, "tool_choice: Input should be 'none', 'auto' or 'required', or a valid dictionary"),
        (Chat, {"logit_bias": [1]}, "logit_bias: Input should be a valid dictionary"),
        (Chat, {"tools": [{"type": "custom", "custom": {}}]}, "tools.0.type: Input should be 'function'"),
        (Chat, {"tool_choice": {"type": "custom"}}, "tool_choice.type: Input should be 'function'"),
        (Embedding, {"input": 5}, "input: Input should be a valid string, or a valid list"),
    ],
)
def test_a_message_names_all_that_a_value_may_be_and_no_class(model: type[BaseModel], value: Any, message: str) -> None:
    assert str(violation(model, {"messages": [{"role": "user", "content": "a"}]} | value)) == message


def test_detail_has_the_shape_of_the_documents_validation_error() -> None:
    error = violation(Chat, {"messages": [{"role": "user"}], "n": "5"})

    assert error.detail == [
        {"loc": ["body", "messages", 0, "content"], "msg": "Field required", "type": "missing"},
        {"loc": ["body", "n"], "msg": "Input should be a valid integer", "type": "int_type"},
    ]


def test_detail_has_at_most_50_entries() -> None:
    tool = {"type": 5, "function": {"name": 5, "description": 5, "parameters": 5, "strict": 5}}
    value = {field: {} for field in Chat.model_fields} | {"tools": [tool], "functions": [tool["function"]]}
    value["response_format"] = {"type": 5, "schema": 1.5, "json_schema": 5}
    value["messages"] = [{"role": "user", "content": [{"type": "image_url", "image_url": {"detail": 5}}], "name": 5}]

    error = violation(Chat, value | {"tool_choice": {"type": 5, "function": {"name": 5}}})

    assert len(error.detail) == 50


def test_a_message_does_not_repeat_a_long_value() -> None:
    error = violation(Chat, {"messages": [{"role": "x" * 10_000}]})

    assert len(error.detail[0]["msg"]) == 300


def test_an_array_is_refused_at_its_first_wrong_item() -> None:
    error = violation(Embedding, {"input": [1, *[True] * 1000]})

    assert [entry["loc"] for entry in error.detail] == [
        ["body", "input"],
        ["body", "input", 0],
        ["body", "input", 1],
        ["body", "input", 0],
    ]


@pytest.mark.parametrize("place", [*range(0, 2 * MAX_DIGITS, 37), 10_000])
@pytest.mark.parametrize("num_digits", [MAX_DIGITS, MAX_DIGITS + 1])
def test_a_number_is_too_long_wherever_it_stands(place: int, num_digits: int) -> None:
    """The twin of the look at every 256th byte: all of a long number is found, and none of a short one."""
    body = b'{"a": [12,' + b" " * place + b"7" * num_digits + b"]}"

    is_read = True
    try:
        parse_body(Completion, body)
    except MalformedBody:
        is_read = False

    assert is_read == (num_digits <= MAX_DIGITS)
