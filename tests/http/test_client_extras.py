"""Fields of other servers' APIs: nothing that constrains an answer is dropped under 200."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.fields.asking import FREE, GREEDY, ask, body_of, ids, said
from tests.http.fields.offering import tool
from tests.http.handlers.serving import CHAT, COMPLETIONS, EMBEDDINGS, HELLO, Client, post, serving

PATHS = [COMPLETIONS, CHAT]
SCHEMA = {"type": "object", "properties": {"a": {"enum": [5, 6]}}, "required": ["a"], "additionalProperties": False}
LONG = FREE | {"max_tokens": 120}
KNOWS_KWARGS = "{%- for message in messages -%}{{- message.content -}}{{- message.reasoning -}}{%- endfor -%}"
KNOWS_KWARGS += "{{ mood }}{{ reasoning_effort }}{{ 'on' if thinking else '' }}"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "pattern"),
    [
        ({"guided_json": SCHEMA}, r"\{\s*\"a\"\s*:\s*[56]\s*\}"),
        ({"guided_json": json.dumps(SCHEMA)}, r"\{\s*\"a\"\s*:\s*[56]\s*\}"),
        ({"json_schema": SCHEMA}, r"\{\s*\"a\"\s*:\s*[56]\s*\}"),
        ({"structured_outputs": {"json": SCHEMA}}, r"\{\s*\"a\"\s*:\s*[56]\s*\}"),
        ({"structured_outputs": {"json_object": True}}, r"(?s)\{.*\}"),
        ({"guided_regex": r"\d{3}/[ab]+x"}, r"\d{3}/[ab]+x"),
        ({"guided_regex": r"^(yes|no)$"}, r"yes|no"),
        ({"structured_outputs": {"regex": "[0-9]{4}"}}, r"[0-9]{4}"),
        ({"regex": "[0-9]{4}"}, r"[0-9]{4}"),
        ({"guided_choice": ["yes", 'n"o/']}, r'yes|n"o/'),
        ({"structured_outputs": {"choice": ["yes", "no"], "regex": None}}, r"yes|no"),
        ({"guided_choice": ["yes", "no"], "structured_outputs": {"choice": ["yes", "no"]}}, r"yes|no"),
        ({"guided_grammar": 'root ::= "a" | "b"'}, r"a|b"),
        ({"ebnf": 'root ::= "a" | "b"'}, r"a|b"),
        ({"structured_outputs": {"grammar": 'root ::= "a" | "b"'}}, r"a|b"),
    ],
    ids=str,
)
async def test_a_rule_is_kept_under_every_name(client: Client, path: str, fields: dict[str, Any], pattern: str) -> None:
    text = await said(client, path, **LONG, **fields)

    assert re.fullmatch(pattern, text)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": "yes"}, "guided_choice"),
        ({"guided_choice": ["yes", ""]}, "guided_choice"),
        ({"guided_choice": ["a" * 300, "b" * 1000] * 500}, "guided_choice"),
        ({"guided_json": "[" + "1," * 150_000 + "1]"}, "guided_json"),
        ({"guided_json": {"$ref": "#/default", "default": {"anyOf": 5}}}, "guided_json"),
        ({"guided_regex": "("}, "guided_regex"),
        ({"guided_regex": 5}, "guided_regex"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": {"type": "nothing"}}, "guided_json"),
        ({"json_schema": 5}, "json_schema"),
        ({"structured_outputs": 5}, "structured_outputs"),
        ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs.choice"),
        ({"guided_regex": "a", "grammar": 'root ::= "b"'}, "grammar"),
        ({"guided_json": SCHEMA, "response_format": {"type": "json_object"}}, "guided_json"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"typical_p": 0.5}, "typical_p"),
        ({"use_beam_search": True}, "use_beam_search"),
        ({"stop_token_ids": 5}, "stop_token_ids"),
        ({"stop_token_ids": [512]}, "stop_token_ids"),
        ({"stop_token_ids": [True]}, "stop_token_ids"),
        ({"ignore_eos": "yes"}, "ignore_eos"),
        ({"repetition_penalty": "1"}, "repetition_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
    ],
    ids=lambda value: str(value)[:80],  # Windows has variables of 32,767 characters, and pytest sets one to the id
)
async def test_what_cannot_be_honoured_is_refused_by_name(
    client: Client, path: str, fields: dict[str, Any], param: str
) -> None:
    status, answer = await post(client, path, body_of(path, **fields))

    assert (status, answer["error"]["param"]) == (400, param)
    assert param.split(".")[0] in answer["error"]["message"]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"modalities": ["text", "audio"]}, "modalities"),
        (CHAT, {"audio": {"voice": "x"}}, "audio"),
        (CHAT, {"chat_template_kwargs": 5}, "chat_template_kwargs"),
        (CHAT, {"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        (CHAT, {"chat_template_kwargs": {"max_cpu_s": 9}}, "chat_template_kwargs"),
        (CHAT, {"reasoning_effort": "maximal"}, "reasoning_effort"),
        (CHAT, {"reasoning_effort": 5}, "reasoning_effort"),
        (CHAT, {"reasoning": {"effort": 5}}, "reasoning"),
        (CHAT, {"reasoning": {"max_tokens": 5}}, "reasoning"),
        (CHAT, {"reasoning": {"summary": "concise"}}, "reasoning"),
        (CHAT, {"reasoning": {"exclude": True}}, "reasoning"),
        (CHAT, {"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning"),
        (CHAT, {"thinking": {"type": "perhaps"}}, "thinking"),
        (CHAT, {"thinking": True}, "thinking"),
        (CHAT, {"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking"),
        (CHAT, {"enable_thinking": "yes"}, "enable_thinking"),
        (CHAT, {"enable_thinking": True, "thinking": {"type": "disabled"}}, "enable_thinking"),
        (CHAT, {"continue_final_message": True}, "continue_final_message"),
        (CHAT, {"continue_final_message": True, "add_generation_prompt": True}, "continue_final_message"),
        (CHAT, {"tools": [tool("f")], "guided_choice": ["a"]}, "guided_choice"),
        (EMBEDDINGS, {"input": "a", "input_type": "query"}, "input_type"),
        (EMBEDDINGS, {"input": "a", "truncate_prompt_tokens": 4}, "truncate_prompt_tokens"),
    ],
    ids=str,
)
async def test_what_one_operation_cannot_honour_is_refused_by_name(
    client: Client, path: str, fields: dict[str, Any], param: str
) -> None:
    body = fields if path == EMBEDDINGS else body_of(path, **fields)

    status, answer = await post(client, path, body)

    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    "fields",
    [
        {"store": True, "metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "x", "user": "u"},
        {"modalities": ["text"], "ignore_eos": False, "use_beam_search": False, "length_penalty": 1.0},
        {"guided_json": None, "guided_choice": None, "structured_outputs": None, "stop_token_ids": None},
        {"structured_outputs": {"json": None}, "chat_template_kwargs": {}, "reasoning_effort": "none"},
        {"truncate_prompt_tokens": None, "chat_template_kwargs": {"enable_thinking": False}, "stop_token_ids": []},
        {"continue_final_message": False, "add_generation_prompt": True, "skip_special_tokens": True},
        {"reasoning_effort": "low", "reasoning": {"effort": "low", "enabled": True}, "thinking": {"type": "enabled"}},
        {"enable_thinking": False, "thinking": {"type": "disabled"}, "reasoning": None},
        {"reasoning_effort": "low", "reasoning": {"summary": "auto", "exclude": False}},
        {"logprobs": False, "top_logprobs": 0},
    ],
    ids=str,
)
async def test_what_asks_for_nothing_is_accepted(client: Client, fields: dict[str, Any]) -> None:
    assert await said(client, CHAT, **GREEDY, **fields) == await said(client, CHAT, **GREEDY)


@pytest.mark.parametrize("path", PATHS)
async def test_the_penalty_has_two_names(client: Client, path: str) -> None:
    ours, theirs = [await said(client, path, **FREE | {"repeat_penalty": 1.0}) for _ in range(2)]
    fields = {name: value for name, value in FREE.items() if name != "repeat_penalty"}

    ours = await said(client, path, **fields, repeat_penalty=1.9)
    theirs = await said(client, path, **fields, repetition_penalty=1.9)

    assert ours == theirs != await said(client, path, **FREE)


@pytest.mark.parametrize("path", PATHS)
async def test_a_stop_token_ends_the_text_and_is_none_of_it(client: Client, path: str) -> None:
    whole = await said(client, path, **FREE)
    token_ids = await ids(client, whole)

    answer = await ask(client, path, **FREE, stop_token_ids=token_ids[3:4])

    (choice,) = answer["choices"]
    text = choice["text"] if path == COMPLETIONS else choice["message"]["content"]
    assert whole.startswith(text)
    assert len(text) < len(whole)
    assert choice["finish_reason"] == "stop"
    longer = await ask(client, path, **FREE, stop_token_ids=token_ids[3:4], min_tokens=20)
    assert longer["usage"]["completion_tokens"] >= 20


@pytest.mark.parametrize("path", PATHS)
async def test_an_ignored_end_of_text_is_never_drawn(client: Client, path: str) -> None:
    eos = (await ids(client, "<|im_end|>"))[0]
    likely = FREE | {"logit_bias": {str(eos): 100}, "max_tokens": 9}

    plain, ignoring = [await ask(client, path, **likely, ignore_eos=ignored) for ignored in (False, True)]

    assert plain["usage"]["completion_tokens"] < 9
    assert (ignoring["usage"]["completion_tokens"], ignoring["choices"][0]["finish_reason"]) == (9, "length")


async def test_the_last_message_is_continued(client: Client) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "one two"}]
    prompt = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\none two"

    continued = await said(client, CHAT, **GREEDY, messages=messages, continue_final_message=True)

    assert continued == await said(client, COMPLETIONS, **GREEDY, prompt=prompt)


async def test_no_turn_is_begun_without_a_generation_prompt(client: Client) -> None:
    prompt = "<|im_start|>user\nHello<|im_end|>\n"

    text = await said(client, CHAT, **GREEDY, add_generation_prompt=False)

    assert text == await said(client, COMPLETIONS, **GREEDY, prompt=prompt)


async def test_the_template_is_given_its_variables_and_the_effort(tmp_path: Path) -> None:
    folder = tmp_path / "moody"
    shutil.copytree(FOLDER, folder)
    (folder / "chat_template.jinja").write_text(KNOWS_KWARGS)
    thoughts: list[dict[str, Any]] = [{"reasoning_content": "123", "reasoning": "123"}, {"reasoning": "123"}, {}]
    bodies: list[dict[str, Any]] = [
        {},
        {"chat_template_kwargs": {"mood": "1234"}},
        {"reasoning_effort": "high"},
        {"reasoning_effort": "low", "chat_template_kwargs": {"reasoning_effort": "1234567"}},
        {"thinking": {"type": "enabled"}},
        *({"messages": [*HELLO, {"role": "assistant", "content": "1"} | each]} for each in thoughts),
    ]

    async with serving(model=str(folder)) as app:
        counts = [
            (await post(app.test_client(), "/extras/tokenize/count", {"messages": HELLO} | each))[1]["count"]
            for each in bodies
        ]

    assert [count - counts[0] for count in (counts[1], counts[3], counts[4])] == [4, 8, 1]
    assert counts[2] > counts[0]
    assert counts[5] == counts[6] == counts[7] + 3
