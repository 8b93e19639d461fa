"""A model that thinks before it answers: its thought is told apart from content, calls and log-probabilities."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.http.reading.template_options import TemplateOptions
from tests.chat.formats.templates import HERMES
from tests.http.handlers.serving import CHAT, HELLO, Client, post, serving, stream
from tests.http.scripted import Script, model_folder, scripted

TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {}}}]
NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
FORM = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}}
TEMPLATE = (
    HERMES.replace("{{ m.content }}", "{% set answer = m.content.split('</think>')[-1] %}{{ answer }}")
    + "{% if add_generation_prompt %}<|im_start|>assistant\n{{ opening }}{% endif %}"
)
BODY: dict[str, Any] = {"messages": HELLO, "max_tokens": 200, "temperature": 0, "repeat_penalty": 1}
OPEN = {"chat_template_kwargs": {"opening": "<think>\n"}}


class Thinker:
    """A client of a model that writes what it is told to."""

    def __init__(self, client: Client, script: Script) -> None:
        self.client = client
        self.script = script

    async def choice(self, text: str, **fields: Any) -> dict[str, Any]:
        """Return the choice in which the model wants to write ``text``, which a stream gives alike."""
        answer = await self.answer(text, **fields)
        (choice,) = answer["choices"]
        chunks = await stream(self.client, CHAT, BODY | fields)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]" and chunk["choices"]]
        for name in ("content", "reasoning_content", "reasoning"):
            assert "".join(delta.get(name) or "" for delta in deltas) == (choice["message"].get(name) or ""), chunks
        return dict(choice)

    async def answer(self, text: str, **fields: Any) -> dict[str, Any]:
        self.script.say(text)
        status, answer = await post(self.client, CHAT, BODY | fields)
        assert status == 200, answer
        return dict(answer)


@pytest.fixture
async def thinker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Thinker]:
    """A model whose markers are no special tokens; test_thinking_formats.py has those that are."""
    folder = model_folder(tmp_path, TEMPLATE)
    script = scripted(monkeypatch, folder)
    async with serving(model=str(folder)) as app:
        yield Thinker(app.test_client(), script)


@pytest.mark.parametrize("fields", [{}, {"tools": TOOLS, "parallel_tool_calls": False}], ids=str)
@pytest.mark.parametrize(
    ("text", "thought", "content"),
    [
        ("<think>\nHm, so.\n</think>\n\nYes.", "Hm, so.", "Yes."),
        ("<think>\n\n</think>\n\nYes.", None, "Yes."),
        ("Yes. 1 < 2", None, "Yes. 1 < 2"),
        ("\n\n<think>a</think>b", "a", "b"),
        ("<think>a</think><think>b</think>c", "a\nb", "c"),
    ],
    ids=str,
)
async def test_a_thought_is_no_content(
    thinker: Thinker, text: str, thought: str | None, content: str, fields: dict[str, Any]
) -> None:
    message = (await thinker.choice(text, **fields))["message"]

    assert message["content"] == content
    assert message.get("reasoning_content") == message.get("reasoning") == thought


async def test_a_thought_that_the_template_begins_is_one(thinker: Thinker) -> None:
    message = (await thinker.choice("Hm.\n</think>\n\nYes.", **OPEN))["message"]

    assert (message["content"], message["reasoning_content"]) == ("Yes.", "Hm.")


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_thought_that_is_cut_anywhere_is_never_content(thinker: Thinker, is_open: bool) -> None:
    text = ("" if is_open else "<think>\n") + "I see.\n</think>\n\nYes."
    fields = OPEN if is_open else {}

    for max_tokens in (1, 2, 3, 5, 7, 8, 9, 11, 13, 16, 19, 21, 24, 40):
        choice = await thinker.choice(text, **fields, max_tokens=max_tokens)

        message = choice["message"]
        thought = message.get("reasoning_content", "")
        assert "Yes.".startswith(message["content"])
        assert "I see.".startswith(thought.rstrip("</think>\n") if not message["content"] else thought)
        if choice["finish_reason"] == "stop":
            assert (message["content"], thought) == ("Yes.", "I see.")


@pytest.mark.parametrize("is_parallel", [True, False])
async def test_a_call_inside_a_thought_is_none_and_one_after_it_is(thinker: Thinker, is_parallel: bool) -> None:
    text = f"<think>I could {NOW}.</think>\n\n{NOW}"

    choice = await thinker.choice(text, tools=TOOLS, parallel_tool_calls=is_parallel, max_tokens=300)

    message = choice["message"]
    assert message["reasoning_content"] == f"I could {NOW}."
    assert message["content"] in (None, "")
    assert [each["function"] for each in message["tool_calls"]] == [{"name": "now", "arguments": "{}"}]
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    "fields", [{"response_format": FORM}, {"guided_regex": r'\{"a": [0-9]\}'}], ids=["schema", "regex"]
)
async def test_a_rule_holds_for_what_follows_the_thought(
    thinker: Thinker, is_open: bool, fields: dict[str, Any]
) -> None:
    text = ("" if is_open else "<think>\n") + 'Perhaps {"b": 5}?\n</think>\n\n{"a": 5}'

    message = (await thinker.choice(text, **fields, **(OPEN if is_open else {})))["message"]

    assert message["reasoning_content"] == 'Perhaps {"b": 5}?'
    assert message["content"] == '{"a": 5}'


@pytest.mark.parametrize("text", ["Hello", "<think>Hm.</think>Hello"])
@pytest.mark.parametrize("max_tokens", [14, 60])
async def test_json_after_a_thought_is_whole_at_any_limit(thinker: Thinker, text: str, max_tokens: int) -> None:
    choice = await thinker.choice(text, response_format=FORM, max_tokens=max_tokens)

    assert jsonschema_rs.is_valid(SCHEMA, json.loads(choice["message"]["content"]))


async def test_a_thought_ends_in_time_for_the_json(thinker: Thinker) -> None:
    choice = await thinker.choice("<think>" + "On and on. " * 50, response_format=FORM, max_tokens=80)

    message = choice["message"]
    assert jsonschema_rs.is_valid(SCHEMA, json.loads(message["content"]))
    assert "On and on." in message["reasoning_content"]
    assert choice["finish_reason"] == "length"


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "now"}}], ids=["required", "named"]
)
async def test_a_forced_call_follows_the_thought(thinker: Thinker, is_open: bool, choice: Any) -> None:
    text = ("" if is_open else "<think>") + f"I will.</think>\n\n{NOW}"

    fields = {"tools": TOOLS, "tool_choice": choice} | (OPEN if is_open else {})
    message = (await thinker.choice(text, **fields))["message"]

    assert message["reasoning_content"] == "I will."
    assert message["content"] is None
    assert message["tool_calls"][0]["function"] == {"name": "now", "arguments": "{}"}


async def test_a_forced_call_needs_no_thought(thinker: Thinker) -> None:
    message = (await thinker.choice("Hello", tools=TOOLS, tool_choice="required"))["message"]

    assert message["tool_calls"][0]["function"]["name"] == "now"
    assert message["content"] is None


async def test_tokens_of_thoughts_are_counted(thinker: Thinker) -> None:
    thoughtless = (await thinker.answer("Yes."))["usage"]
    whole = (await thinker.answer("<think>Hm.</think>Yes."))["usage"]
    cut = (await thinker.answer("<think>Hm.</think>Yes.", max_tokens=2))["usage"]
    chunks = await stream(thinker.client, CHAT, BODY | {"stream_options": {"include_usage": True}})

    assert thoughtless["completion_tokens_details"] == {"reasoning_tokens": 0}
    content = thoughtless["completion_tokens"]
    assert whole["completion_tokens_details"] == {"reasoning_tokens": whole["completion_tokens"] - content}
    assert cut["completion_tokens_details"] == {"reasoning_tokens": 2}
    assert chunks[-2]["usage"]["completion_tokens_details"] == whole["completion_tokens_details"]


async def test_log_probabilities_are_where_the_text_is(thinker: Thinker) -> None:
    text = "<think>\nHm.\n</think>\n\nYes."
    choice = await thinker.choice(text, logprobs=True)
    chunks = await stream(thinker.client, CHAT, BODY | {"logprobs": True})

    streamed = [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk != "[DONE]"]
    told = choice["logprobs"]
    assert "".join(each["token"] for each in told["content"]) == "Yes."
    assert "".join(each["token"] for each in told["reasoning_content"]) == "<think>\nHm.\n</think>\n\n"
    for name in ("content", "reasoning_content"):
        assert [each for part in streamed if part for each in part.get(name, [])] == told[name]


async def test_an_earlier_thought_is_taken_back(thinker: Thinker) -> None:
    first = (await thinker.choice("<think>Hm.</think>Yes."))["message"]
    follow = [*HELLO, first, *HELLO]

    assert (await thinker.choice("Well.", messages=follow))["message"]["content"] == "Well."


TURNS = "{% for m in messages %}<|im_start|>{{ m.role }}\n"
QWEN3 = (
    TURNS + "{% set answer = m.content.split('</think>')[-1].lstrip('\n') %}"
    "{% if m.role == 'assistant' %}<think>\n{{ (m.reasoning_content or m.content.split('</think>')[0].split('<think>')"
    "[-1] if '</think>' in m.content or m.reasoning_content else '').strip('\n') }}\n</think>\n\n{% endif %}"
    "{{ answer }}<|im_end|>\n{% endfor %}"
)
R1 = TURNS + "{{ m.content.split('</think>')[-1] if '</think>' in m.content else m.content }}<|im_end|>{% endfor %}"


@pytest.mark.parametrize(
    ("template", "last", "prompt", "thought"),
    [
        (QWEN3, {"content": "end"}, "<think>\n\n</think>\n\nend", None),
        (QWEN3, {"content": "<think>a</think>\n\nSo, "}, "<think>\na\n</think>\n\nSo, ", None),
        (QWEN3, {"content": "So", "reasoning_content": "a"}, "<think>\na\n</think>\n\nSo", None),
        (QWEN3, {"content": "", "reasoning_content": "I see"}, "<think>\nI see", "x"),
        (QWEN3, {"content": "<think>\nI see"}, "<think>\nI see", "x"),
        (R1, {"content": "im_end"}, "im_end", None),
        (R1, {"content": "<think>a</think>\n\nSo"}, "\n\nSo", None),
        (R1, {"content": "<think>\nI see"}, "<think>\nI see", "x"),
    ],
)
async def test_a_message_is_continued_where_it_ends(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    template: str,
    last: dict[str, Any],
    prompt: str,
    thought: str | None,
) -> None:
    folder = model_folder(tmp_path, template + ("" if "<think>" in template else "{# <think> #}"))
    script = scripted(monkeypatch, folder)
    prompts: list[str] = []
    monkeypatch.setattr(TemplateOptions, "ended", _noting(TemplateOptions.ended, prompts))
    async with serving(model=str(folder)) as app:
        thinker = Thinker(app.test_client(), script)
        messages = [*HELLO, {"role": "assistant", **last}]
        text = "x</think>\n\ny" if thought else "y"

        message = (await thinker.choice(text, messages=messages, continue_final_message=True))["message"]

    assert prompts[0].endswith(f"<|im_start|>assistant\n{prompt}")
    assert (message["content"], message.get("reasoning_content")) == ("y", thought)


def _noting(ended: Callable[..., str], prompts: list[str]) -> Callable[..., str]:
    def noted(options: TemplateOptions, prompt: str) -> str:
        prompts.append(ended(options, prompt))
        return prompts[-1]

    return noted


async def test_a_thought_that_the_template_leaves_out_cannot_be_continued(thinker: Thinker) -> None:
    messages = [*HELLO, {"role": "assistant", "content": "", "reasoning_content": "I see"}]

    status, answer = await post(thinker.client, CHAT, BODY | {"messages": messages, "continue_final_message": True})

    assert (status, answer["error"]["param"]) == (400, "continue_final_message")


@pytest.mark.parametrize(
    "rule", [{"guided_choice": ["yes", "no"]}, {"guided_regex": "[0-9]{4}"}, {"grammar": 'root ::= "a"+ "b"'}]
)
async def test_a_thought_that_uses_up_the_limit_leaves_no_answer(thinker: Thinker, rule: dict[str, Any]) -> None:
    choice = await thinker.choice("<think>" + "On and on. " * 50, max_tokens=60, **rule)

    assert (choice["message"]["content"], choice["finish_reason"]) == ("", "length")
    assert choice["message"]["reasoning_content"].startswith("On and on.")


@pytest.mark.parametrize(
    "fields",
    [
        {"reasoning_effort": "none"},
        {"reasoning": {"effort": "none"}},
        {"reasoning": {"enabled": False}},
        {"thinking": {"type": "disabled"}},
        {"enable_thinking": False},
        {"chat_template_kwargs": {"opening": "<think>\n", "enable_thinking": False}},
    ],
    ids=str,
)
async def test_a_thought_that_is_switched_off_is_none(thinker: Thinker, fields: dict[str, Any]) -> None:
    message = (await thinker.choice("Yes.", **OPEN | fields))["message"]

    assert message["content"] == "Yes."
    assert "reasoning_content" not in message
