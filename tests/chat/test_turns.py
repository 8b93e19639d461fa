"""Turns as templates take them that know no system role, or want roles to alternate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from jan_ort.chat.template import TemplateRefusal
from jan_ort.chat.turns import rendered_as_taken

SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}
ANSWER = {"role": "assistant", "content": "Hello"}
CALLED = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}


def lenient(turns: Sequence[dict[str, Any]]) -> str:
    return "|".join(f"{turn['role'][0]}:{turn['content']}" for turn in turns)


def without_system(turns: Sequence[dict[str, Any]]) -> str:
    if any(turn["role"] == "system" for turn in turns):
        raise TemplateRefusal("System role not supported")
    return lenient(turns)


def deaf(turns: Sequence[dict[str, Any]]) -> str:
    return lenient([turn for turn in turns if turn["role"] != "system"])


def strict(turns: Sequence[dict[str, Any]]) -> str:
    if any(turn["role"] != ("user", "assistant")[at % 2] for at, turn in enumerate(turns)):
        raise TemplateRefusal("roles must alternate")
    return lenient(turns)


@pytest.mark.parametrize(
    ("template", "turns", "prompt"),
    [
        (lenient, [SYSTEM, USER, USER], "s:Be brief.|u:Hi|u:Hi"),
        (without_system, [SYSTEM, USER, USER], "u:Be brief.\n\nHi|u:Hi"),
        (without_system, [SYSTEM], "u:Be brief."),
        (without_system, [SYSTEM, ANSWER, USER], "a:Hello|u:Be brief.\n\nHi"),
        (deaf, [SYSTEM, USER], "u:Be brief.\n\nHi"),
        (strict, [SYSTEM, USER, USER, ANSWER, ANSWER], "u:Be brief.\n\nHi\n\nHi|a:Hello\n\nHello"),
        (strict, [USER, USER], "u:Hi\n\nHi"),
    ],
)
def test_what_the_server_adds_goes_where_the_template_takes_it(template: Any, turns: Any, prompt: str) -> None:
    assert rendered_as_taken(template, turns, is_system_ours=True) == prompt


@pytest.mark.parametrize("template", [without_system, strict])
def test_a_system_message_of_the_client_is_refused_in_the_words_of_the_template(template: Any) -> None:
    with pytest.raises(TemplateRefusal, match=r"System role|alternate"):
        rendered_as_taken(template, [SYSTEM, USER, USER], is_system_ours=False)


def test_turns_of_the_client_are_joined_too() -> None:
    assert rendered_as_taken(strict, [USER, USER, ANSWER], is_system_ours=False) == "u:Hi\n\nHi|a:Hello"


def test_calls_are_not_joined() -> None:
    with pytest.raises(TemplateRefusal, match="alternate"):
        rendered_as_taken(strict, [USER, CALLED, CALLED], is_system_ours=False)


def test_a_template_that_writes_the_system_message_in_no_form_gives_its_prompt() -> None:
    assert rendered_as_taken(lambda _: "fixed", [SYSTEM, USER], is_system_ours=True) == "fixed"
