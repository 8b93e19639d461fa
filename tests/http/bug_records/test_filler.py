"""Filler keeps the length and the shape of a request, and nothing of what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jan_ort.http.bug_records.filler import Filler
from jan_ort_openapi import parse_body
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateCompletionRequest
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, post, serving

TOOL = {
    "type": "function",
    "function": {
        "name": "find_patient",
        "description": "Looks into the Hanover files",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "surname": {"type": "string", "pattern": "^Zimmer", "description": "as in the passport"},
                "type": {"enum": ["inpatient", "outpatient", 4711]},
                "ward": {"$ref": "#/$defs/WardOfHanover"},
            },
            "required": ["surname", "ward"],
            "$defs": {"WardOfHanover": {"type": "integer", "minimum": 3}},
            "additionalProperties": False,
        },
    },
}
SMALL = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "null"}}}}}
CONVERSATION: dict[str, Any] = {
    "model": "reference",
    "messages": [
        {"role": "system", "content": "You are Doctor Zimmermann's assistant."},
        {"role": "user", "content": [{"type": "text", "text": "Who is in ward seven?"}]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_zimmer",
                    "type": "function",
                    "function": {"name": "find_patient", "arguments": '{"surname": "Zimmer", "ward": 7, "n": 4711}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_zimmer", "content": "Zimmer, Anna"},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "function", "function": {"name": "find_patient"}},
    "stop": ["Sincerely"],
    "user": "zimmermann@hanover.example",
    "logit_bias": {"12": 5},
    "seed": 4712,
    "temperature": 0.5,
    "max_tokens": 2,
    "x_trace": {"patient": "Zimmer", "birthday": 4711},
}
SECRETS = (
    *("immer", "anover", "passport", "ward", "atient", "Sincerely", "Doctor", "seven", "Looks", "surname"),
    *("4711", "birthday", "x_trace"),
)


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def test_nothing_that_a_conversation_says_is_left() -> None:
    written = json.dumps(Filler(frozenset({"reference"})).fill(CONVERSATION))

    assert [secret for secret in SECRETS if secret in written] == []
    assert all(kept in written for kept in ('"reference"', '"role": "system"', '"12": 5', "4712", '"minimum": 3'))


def test_texts_keep_their_length_and_names_what_refers_to_them() -> None:
    filled = Filler(frozenset({"reference"})).fill(CONVERSATION)

    assert [len(text) for text in texts(filled)] == [len(text) for text in texts(CONVERSATION)]
    name = filled["tools"][0]["function"]["name"]
    call = filled["messages"][2]["tool_calls"][0]
    assert (call["function"]["name"], filled["tool_choice"]["function"]["name"]) == (name, name)
    assert filled["messages"][3]["tool_call_id"] == call["id"]
    schema = filled["tools"][0]["function"]["parameters"]
    assert set(schema["required"]) < set(schema["properties"])
    assert schema["properties"][schema["required"][1]]["$ref"] == f"#/$defs/{next(iter(schema['$defs']))}"
    assert set(json.loads(call["function"]["arguments"])) >= set(schema["required"])


def test_what_is_filled_is_still_a_request() -> None:
    body = json.dumps(Filler(frozenset({"reference"})).fill(CONVERSATION)).encode()

    assert parse_body(CreateChatCompletionRequest, body).max_tokens == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "hi"}], "tools": [SMALL], "tool_choice": "required"}),
        (CHAT, {"messages": [{"role": "user", "content": "hi"}], "response_format": {"type": "json_object"}}),
        (COMPLETIONS, {"prompt": "Anna lives in", "suffix": "Hanover", "max_tokens": 2, "logprobs": 1}),
        (COMPLETIONS, {"prompt": [72, 101, 108], "max_tokens": 2}),
        (COMPLETIONS, {"prompt": "A", "grammar": 'root ::= "Anna" | "Zimmer"', "max_tokens": 4}),
        (EMBEDDINGS, {"input": ["Anna", "Zimmer"], "encoding_format": "base64"}),
    ],
)
async def test_what_is_filled_is_answered_as_the_request_was(path: str, body: dict[str, Any]) -> None:
    async with serving() as app:
        answers = [await post(app.test_client(), path, each) for each in (body, Filler().fill(body))]

    assert [status for status, _ in answers] == [200, 200], answers


@pytest.mark.parametrize("prompt", [[4711, 4712], [[4711], [4712, 4713]]])
def test_token_ids_say_nothing_and_are_as_many(prompt: list[Any]) -> None:
    filled = Filler().fill({"prompt": prompt, "max_tokens": 4711})

    assert str(prompt).count("4") == 2 * str(filled["prompt"]).count("1") // 2 * (str(prompt).count("471") > 0)
    assert "47" not in str(filled["prompt"])
    assert (filled["max_tokens"], len(filled["prompt"])) == (4711, len(prompt))


@pytest.mark.parametrize("text", ["", "é", "two\nlines\tand more", "\U0001f642" * 3, "a" * 100_000, "\x00", "#"])
def test_any_text_keeps_its_number_of_characters(text: str) -> None:
    filled = Filler().fill({"prompt": text})["prompt"]

    assert len(filled) == len(text)
    assert len(text) < 2 or filled != text


@pytest.mark.parametrize("arguments", ["{}", "not JSON", '{"a": 1e999}', "[1, 2.5, null, true]", '"\\u00e9"', "NaN"])
def test_arguments_of_any_form_keep_their_length(arguments: str) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}

    filled = Filler().fill({"messages": [{"role": "assistant", "tool_calls": [call]}]})

    assert len(filled["messages"][0]["tool_calls"][0]["function"]["arguments"]) == len(arguments)


def test_a_message_that_repeats_what_was_said_is_masked() -> None:
    filler = Filler()
    filled = filler.fill({"prompt": 'Anna\'s "files"', "stop": "xy"})

    masked = filler.mask("ValueError: 'Anna\\'s \"files\"' holds xy; Anna's \"files\"")

    assert "Anna" not in masked
    assert filled["prompt"] in masked
    assert masked.endswith(filled["prompt"])


@pytest.mark.parametrize(
    "message",
    ["bad text near 'patient Anna Schm'", "at Schmidt\\nhas gr: \\u65e5\\u672c\\u8a9e is odd", "日本語のテスト failed"],
)
def test_parts_of_what_was_said_are_masked_in_a_message(message: str) -> None:
    filler = Filler()
    filler.fill({"prompt": "The patient Anna Schmidt\nhas grippe 日本語のテスト"})

    masked = filler.mask(message)

    assert len(masked) == len(message)
    assert [word for word in ("Anna", "Schm", "u65e5", "日本") if word in masked] == []


def test_a_long_prompt_is_masked_in_no_time() -> None:
    filler = Filler()
    text = " ".join(str(number) for number in range(12_000))
    filler.fill({"prompt": text})

    assert "11999" not in filler.mask(f"failed: {text[100:]}")


def test_only_chosen_words_at_chosen_fields_are_kept() -> None:
    filled = Filler().fill({"messages": [{"role": "assistant", "content": "assistant"}], "prompt": "auto"})

    assert filled["messages"][0]["role"] == "assistant"
    assert filled["messages"][0]["content"] != "assistant"
    assert filled["prompt"] != "auto"


def test_a_completion_is_still_one() -> None:
    body = Filler().fill({"prompt": "Anna", "stop": ["Zimmer"], "grammar": 'root ::= "Zimmer"'})

    assert parse_body(CreateCompletionRequest, json.dumps(body).encode()).grammar == 'root ::= "loremi"'


def test_a_key_of_digits_is_content_too_except_of_a_token() -> None:
    number = "4111111111111111"
    call = {"function": {"name": "f", "arguments": json.dumps({number: {number: 1}})}}

    filled = Filler().fill(
        {
            "messages": [{"role": "assistant", "tool_calls": [call]}],
            "tools": [{"function": {"name": "f", "parameters": {"enum": [{number: 1}], number: 1}}}],
            "note": {number: "x", "logit_bias": {number: 1}},
            "logit_bias": {"50256": -100},
            number: 5,
        }
    )

    assert number not in json.dumps(filled)
    assert filled["logit_bias"] == {"50256": -100}
