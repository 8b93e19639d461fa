"""A model that thinks before it answers: calls inside its thoughts are none, and thoughts are content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jan_ort.chat.tools import ToolPlan
from jan_ort.http.reading import chat
from jan_ort.serving.generative import GenerativeModel
from jan_ort.structured.compiler import CompiledGrammar
from tests.chat.formats.templates import HERMES
from tests.http.handlers.serving import CHAT, HELLO, post, serving, stream
from tests.serving.several import copied

TOOLS = [{"type": "function", "function": {"name": "now", "parameters": {}}}]
NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
ASKS = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
THINKS = "{% set answer = m.content.split('</think>')[-1] %}"
BODY: dict[str, Any] = {"messages": HELLO, "tools": TOOLS, "max_tokens": 250, "temperature": 0}


def thinking(tmp_path: Path, *, is_open: bool) -> str:
    """Return a model whose template removes thoughts, and begins one where ``is_open``."""
    folder = Path(copied(tmp_path, "thinker"))
    source = HERMES.replace("{{ m.content }}", f"{THINKS}{{{{ answer }}}}") + ASKS + ("<think>\n" if is_open else "")
    (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    return str(folder)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list whose only text is what the model writes, whatever its weights say."""
    texts: list[str] = []

    async def compile_text(model: GenerativeModel, plan: ToolPlan) -> CompiledGrammar:
        return await model.grammars.gbnf(f"root ::= {json.dumps(texts[0])}")

    monkeypatch.setattr(chat, "compile_calls", compile_text)
    return texts


@pytest.mark.parametrize("is_parallel", [True, False])
@pytest.mark.parametrize(
    ("is_open", "thought"), [(False, f"<think>\nI could {NOW}.\n</think>"), (True, f"I could {NOW}.\n</think>")]
)
async def test_a_call_inside_a_thought_is_content(
    tmp_path: Path, written: list[str], is_open: bool, thought: str, is_parallel: bool
) -> None:
    written.append(f"{thought}\n\n{NOW}")
    body = BODY | {"parallel_tool_calls": is_parallel}

    async with serving(model=thinking(tmp_path, is_open=is_open)) as app:
        status, answer = await post(app.test_client(), CHAT, body)
        chunks = await stream(app.test_client(), CHAT, body)

    assert status == 200, answer
    (choice,) = answer["choices"]
    assert choice["message"]["content"] == thought
    assert [each["function"] for each in choice["message"]["tool_calls"]] == [{"name": "now", "arguments": "{}"}]
    assert choice["finish_reason"] == "tool_calls"
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk != "[DONE]"]
    assert "".join(delta.get("content", "") for delta in deltas) == thought
    assert sum("id" in each for delta in deltas for each in delta.get("tool_calls", [])) == 1


async def test_markers_that_are_special_tokens_are_read_and_stay_no_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(thinking(tmp_path, is_open=False))
    tokenizer = (folder / "tokenizer.json").read_text(encoding="utf-8")
    for old, new in (("<fim_prefix>", "<think>"), ("<fim_suffix>", "</think>")):
        tokenizer = tokenizer.replace(old, new)
    (folder / "tokenizer.json").write_text(tokenizer, encoding="utf-8")

    async def compile_tokens(model: GenerativeModel, plan: ToolPlan) -> CompiledGrammar:
        opening, closing = model.thought_markers.values()
        return await model.grammars.lark(f"start: <[{opening}]> {json.dumps(NOW)} <[{closing}]> {json.dumps(NOW)}")

    monkeypatch.setattr(chat, "compile_calls", compile_tokens)
    async with serving(model=str(folder)) as app:
        _, answer = await post(app.test_client(), CHAT, BODY)

    message = answer["choices"][0]["message"]
    assert message["content"] == NOW
    assert len(message["tool_calls"]) == 1


async def test_a_forced_call_is_one_even_if_the_template_has_begun_a_thought(tmp_path: Path) -> None:
    async with serving(model=thinking(tmp_path, is_open=True)) as app:
        status, answer = await post(app.test_client(), CHAT, BODY | {"tool_choice": "required"})

    assert status == 200, answer
    assert answer["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "now"


async def test_thoughts_without_tools_are_content_as_they_are(tmp_path: Path) -> None:
    text = f"<think>{NOW}</think> Yes."
    body = {"messages": HELLO, "max_tokens": 250, "grammar": f"root ::= {json.dumps(text)}"}

    async with serving(model=thinking(tmp_path, is_open=False)) as app:
        _, answer = await post(app.test_client(), CHAT, body)

    message = answer["choices"][0]["message"]
    assert message == {"role": "assistant", "content": text, "refusal": None, "annotations": []}
