"""Other ways to think than ``<think>``, over HTTP: gpt-oss' channels, and every pair of markers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from jan_ort.chat.reasoning.marked_thoughts import MARKED, THINK, MarkedThoughts
from tests.chat.formats.answers import EXAMPLES
from tests.chat.tools.parsing import BY_NAME
from tests.http.handlers.serving import serving
from tests.http.handlers.test_thinking import FORM, TOOLS, Thinker
from tests.http.scripted import model_folder, scripted

THOUGHT = "<|channel|>analysis<|message|>Hm, {.<|end|><|start|>assistant"
BEGUN = {"chat_template_kwargs": {"opening": "<|channel|>analysis<|message|>"}}
PREAMBLE = "<|channel|>commentary<|message|>So:<|end|><|start|>assistant"
FINAL = "<|channel|>final<|message|>Yes."
CALL = "<|channel|>commentary to=functions.now <|constrain|>json<|message|>{}"
OTHER_CALL = " to=functions.now<|channel|>commentary json<|message|>{}"


@pytest.fixture
async def gpt_oss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Thinker]:
    template = EXAMPLES["harmony"].template + "{{ opening }}"
    folder = model_folder(tmp_path, template, BY_NAME["harmony"].markers)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        yield Thinker(app.test_client(), script)


def summary(choice: dict[str, Any]) -> tuple[str | None, str, list[str]]:
    """Return thought, content, and the names of the calls."""
    message = choice["message"]
    names = [each["function"]["name"] for each in message.get("tool_calls", [])]
    return message.get("reasoning_content"), message["content"] or "", names


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        (THOUGHT + FINAL, {}, ("Hm, {.", "Yes.", [])),
        (FINAL, {}, (None, "Yes.", [])),
        ("Yes.", {}, (None, "Yes.", [])),
        (THOUGHT + FINAL, {"tools": TOOLS}, ("Hm, {.", "Yes.", [])),
        (THOUGHT + CALL, {"tools": TOOLS}, ("Hm, {.", "", ["now"])),
        (THOUGHT + OTHER_CALL, {"tools": TOOLS}, ("Hm, {.", "", ["now"])),
        (
            "<|channel|>commentary<|message|>So:<|end|><|start|>assistant" + CALL,
            {"tools": TOOLS},
            (None, "So:", ["now"]),
        ),
        (THOUGHT + THOUGHT + FINAL, {}, ("Hm, {.\nHm, {.", "Yes.", [])),
        (THOUGHT + CALL, {}, ("Hm, {.\n{}", "", [])),
        (THOUGHT + CALL, {"tools": TOOLS, "tool_choice": "required"}, ("Hm, {.", "", ["now"])),
        ("Yes.", {"tools": TOOLS, "tool_choice": "required"}, (None, "", ["now"])),
        (
            "On.<|end|><|start|>assistant" + FINAL,
            {"chat_template_kwargs": {"opening": THOUGHT[:30]}},
            ("On.", "Yes.", []),
        ),
    ],
)
async def test_channels_are_told_apart(
    gpt_oss: Thinker, text: str, fields: dict[str, Any], expected: tuple[str | None, str, list[str]]
) -> None:
    assert summary(await gpt_oss.choice(text, **fields)) == expected


@pytest.mark.parametrize("text", [THOUGHT + FINAL, THOUGHT + CALL])
async def test_an_answer_that_is_cut_has_no_heads(gpt_oss: Thinker, text: str) -> None:
    for max_tokens in (1, 2, 3, 5, 8, 12, 17, 23, 30, 40):
        thought, content, _ = summary(await gpt_oss.choice(text, tools=TOOLS, max_tokens=max_tokens))

        assert "Yes.".startswith(content)
        assert "Hm, {.<|end|>".startswith(thought or "")


@pytest.mark.parametrize("tools", [{}, {"tools": TOOLS}], ids=["alone", "tools"])
@pytest.mark.parametrize("thought", ["", THOUGHT])
async def test_a_schema_holds_on_the_last_channel(gpt_oss: Thinker, thought: str, tools: dict[str, Any]) -> None:
    text = thought + '<|channel|>final<|message|>{"a": 5}'

    choice = await gpt_oss.choice(text, response_format=FORM, **tools)

    assert json.loads(choice["message"]["content"]) == {"a": 5}
    assert choice["message"].get("reasoning_content") == ("Hm, {." if thought else None)


async def test_log_probabilities_are_of_the_content(gpt_oss: Thinker) -> None:
    told = (await gpt_oss.choice(THOUGHT + FINAL, logprobs=True))["logprobs"]

    assert "".join(each["token"] for each in told["content"]) == "Yes."
    assert "Hm, {." in "".join(each["token"] for each in told["reasoning_content"])


@pytest.mark.parametrize("thoughts", MARKED, ids=lambda each: each.opening.strip())
async def test_every_pair_of_markers_is_read_and_comes_before_a_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, thoughts: MarkedThoughts
) -> None:
    template = "{% for m in messages %}{{ m.content }}{% endfor %}" + f"{{% if false %}}{thoughts.opening}{{% endif %}}"
    folder = model_folder(tmp_path, template, thoughts.tokens)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        thinker = Thinker(app.test_client(), script)
        text = f'{thoughts.opening}\nHm.\n{thoughts.closing}\n{{"a": 5}}'

        free, held = [await thinker.choice(text, **fields) for fields in ({}, {"response_format": FORM})]

    assert summary(free) == summary(held) == ("Hm.", '{"a": 5}', [])


NAMED = "a<|end|>b<|call|><|start|>c"
"""A text that names control tokens, which is spelled with ordinary ones."""
CONST = {
    "type": "object",
    "properties": {"a": {"const": NAMED}},
    "required": ["a"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("thought", ["", THOUGHT])
async def test_names_of_markers_in_what_is_constrained_are_text(gpt_oss: Thinker, thought: str) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": CONST}}
    tools = [{"type": "function", "function": {"name": "now", "parameters": CONST}}]

    held = await gpt_oss.choice(thought + FINAL, response_format=form, logprobs=True)
    forced = await gpt_oss.choice(thought + CALL, tools=tools, tool_choice="required")

    assert json.loads(held["message"]["content"]) == {"a": NAMED}
    assert "".join(each["token"] for each in held["logprobs"]["content"]) == held["message"]["content"]
    assert [json.loads(each["function"]["arguments"]) for each in forced["message"]["tool_calls"]] == [{"a": NAMED}]
    assert not forced["message"]["content"]


@pytest.mark.parametrize("special", [(), THINK.tokens], ids=["text", "tokens"])
@pytest.mark.parametrize("rule", [{"guided_choice": ["<think>a", "b"]}, {"guided_regex": "(<think>)?[ab]"}], ids=str)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b", (None, "b", [])),
        ("<think>Hm.</think>b", ("Hm.", "b", [])),
        ("<think>Hm.</think>\n<think>a", ("Hm.", "<think>a", [])),
    ],
)
async def test_a_choice_may_begin_as_a_thought_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    special: tuple[str, ...],
    rule: dict[str, Any],
    text: str,
    expected: tuple[str | None, str, list[str]],
) -> None:
    folder = model_folder(
        tmp_path, "{% for m in messages %}{{ m.content }}{% endfor %}{# #}{{ '' if 1 else '<think>' }}", special
    )
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        assert summary(await Thinker(app.test_client(), script).choice(text, **rule)) == expected
