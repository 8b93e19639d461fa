"""Every line of requests.jsonl: sent as it is, answered as it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from jan_ort_backends.reference_tokenizer import FOLDER
from tests.http.cases.case_lines import Checks, Line
from tests.http.handlers.serving import CHAT, Client, post, serving

CHECKS = Checks("requests.jsonl")
NO_SYSTEM = """\
{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ raise_exception('System role not supported') }}{%- endif -%}
{{ message.role }}: {{ message.content }}
{% endfor -%}
assistant:"""


async def answered(client: Client, line: Line, **more: Any) -> Any:
    status, answer = await post(client, line["request"]["path"], line["request"]["body"] | more)
    assert status == 200, answer
    return answer


async def message_of(client: Client, line: Line, **more: Any) -> tuple[dict[str, Any], str]:
    (choice,) = (await answered(client, line, **more))["choices"]
    return choice["message"], choice["finish_reason"]


@CHECKS.of("T03", "T05", "T10", "T11", "T35")
async def is_answered(client: Client, line: Line) -> None:
    await answered(client, line)


@CHECKS.of("T20")
async def is_a_call_or_keeps_the_schema(client: Client, line: Line) -> None:
    message, _ = await message_of(client, line, max_tokens=100)  # the reference model's tokens are bytes
    body = line["request"]["body"]

    if message.get("tool_calls"):
        (call,) = message["tool_calls"]
        schema, text = body["tools"][0]["function"]["parameters"], call["function"]["arguments"]
    else:
        schema, text = body["response_format"]["json_schema"]["schema"], message["content"]
    assert jsonschema_rs.is_valid(schema, json.loads(text))


@CHECKS.of("T22")
async def shows_no_markup(client: Client, line: Line) -> None:
    message, _ = await message_of(client, line)

    assert "<tool_call>" not in (message["content"] or "")


@CHECKS.of("T26", "T27")
async def is_answered_without_a_system_role(client: Client, line: Line) -> None:
    await answered(client, line)  # which the test gives a client of such a model


@CHECKS.of("S01")
async def takes_the_format_for_an_annotation(client: Client, line: Line) -> None:
    message, _ = await message_of(client, line)

    assert isinstance(json.loads(message["content"])["p"], str)


@CHECKS.of("S02")
async def ends_the_number(client: Client, line: Line) -> None:
    message, reason = await message_of(client, line)

    assert reason == "stop"
    assert len(message["content"].partition(":")[2].strip(" \r\n\t}")) <= 40


@CHECKS.of("S03")
async def ends_the_integer(client: Client, line: Line) -> None:
    message, reason = await message_of(client, line)

    assert reason == "stop"
    assert abs(json.loads(message["content"])["count"]) < 2**63


@CHECKS.of("S16")
async def says_one_of_the_choices(client: Client, line: Line) -> None:
    message, _ = await message_of(client, line)

    assert message["content"] in line["request"]["body"]["guided_choice"]


@CHECKS.of("P01", "P02")
async def goes_on_to_the_end(client: Client, line: Line) -> None:
    _, reason = await message_of(client, line)

    assert reason in ("stop", "length")


@CHECKS.of("P11")
async def continues_the_last_message(client: Client, line: Line) -> None:
    body = line["request"]["body"]
    prompt = "<|im_start|>user\nCount<|im_end|>\n<|im_start|>assistant\none two"
    same = {"prompt": prompt, "max_tokens": body["max_tokens"], "temperature": 0}

    message, _ = await message_of(client, line)

    _, expected = await post(client, "/v1/completions", same)
    assert message["content"] == expected["choices"][0]["text"]


@CHECKS.of("P13")
async def names_what_typed_clients_require(client: Client, line: Line) -> None:
    answer = await answered(client, line)

    assert "system_fingerprint" in answer
    assert "refusal" in answer["choices"][0]["message"]


@CHECKS.of("P12")
async def counts_markers_as_letters(client: Client, line: Line) -> None:
    plain = json.loads(json.dumps(line["request"]["body"]).replace("<|", "<~").replace("|>", "~>"))

    status, answer = await post(client, line["request"]["path"], line["request"]["body"])

    assert status == 200
    assert answer["count"] == (await post(client, line["request"]["path"], plain))[1]["count"]


@CHECKS.of("E01")
async def is_floats(client: Client, line: Line) -> None:
    (embedded,) = (await answered(client, line))["data"]

    assert all(isinstance(value, float) for value in embedded["embedding"])


def test_each_line_has_a_check() -> None:
    assert CHECKS.uncovered() == set()


@CHECKS.parametrized()
async def test_a_line_is_answered_as_it_says(client: Client, line: Line, tmp_path: Path) -> None:
    if line["request"]["body"].get("model") != "org/alt":
        await CHECKS.run(client, line)
        return
    folder = tmp_path / "alt"
    shutil.copytree(FOLDER, folder)
    (folder / "chat_template.jinja").write_text(NO_SYSTEM)
    async with serving(model=str(folder)) as app:
        await CHECKS.run(app.test_client(), line)


@pytest.mark.parametrize("schema", [{"type": "number"}, {"type": "integer"}, {}, {"type": "array"}], ids=str)
async def test_numbers_of_any_part_of_a_schema_end(client: Client, schema: dict[str, Any]) -> None:
    digits = {str(ord(each)): 50 for each in "123"}
    body = {"messages": [{"role": "user", "content": "x"}], "temperature": 0, "max_tokens": 60, "logit_bias": digits}
    held = {"type": "object", "properties": {"n": schema}, "required": ["n"], "additionalProperties": False}

    status, answer = await post(client, CHAT, body | {"guided_json": held})

    assert status == 200, answer
    json.loads(answer["choices"][0]["message"]["content"])
    assert "1" * 20 not in answer["choices"][0]["message"]["content"]
