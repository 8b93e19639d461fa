"""Chat templates in their sandbox: what they may do, and what becomes of what they may not."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from jan_ort.chat.template import ChatTemplate, ChatTemplateError
from jan_ort_backends.reference_tokenizer import FOLDER

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
HELLO = [{"role": "user", "content": "Hello"}]


def render(source: str, messages: list[dict[str, Any]] | None = None) -> str:
    return ChatTemplate(source, bos_token="<s>", eos_token="</s>").render(HELLO if messages is None else messages)


def test_chatml() -> None:
    text = render(CHATML, [{"role": "system", "content": "Be brief."}, *HELLO])

    assert text == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_the_generation_prompt_can_be_left_out() -> None:
    text = ChatTemplate(CHATML).render(HELLO, add_generation_prompt=False)

    assert text == "<|im_start|>user\nHello<|im_end|>\n"


def test_the_reference_models_template_renders_its_own_format() -> None:
    source = (FOLDER / "chat_template.jinja").read_text(encoding="utf-8")

    assert render(source) == "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def test_a_template_for_tools_is_used_as_soon_as_there_are_tools() -> None:
    template = ChatTemplate("plain", tool_use="{{ tools[0].function.name }}")

    assert template.render(HELLO) == "plain"
    assert template.render(HELLO, tools=[{"type": "function", "function": {"name": "now"}}]) == "now"


def test_variables_of_the_models_own_are_passed_on() -> None:
    template = ChatTemplate("{{ enable_thinking }} {{ documents[0].title }} {{ tools is none }}")

    assert template.render(HELLO, documents=[{"title": "Ice"}], enable_thinking=False) == "False Ice True"


def test_special_tokens_are_given() -> None:
    assert render("{{ bos_token }}|{{ eos_token }}") == "<s>|</s>"


def test_block_tags_leave_no_blank_lines() -> None:
    assert render("{% if true %}\na\n    {% endif %}\nb") == "a\nb"


def test_text_is_not_escaped_for_html() -> None:
    assert render("{{ messages[0].content }}", [{"role": "user", "content": "<b> & 'c'"}]) == "<b> & 'c'"


def test_a_message_is_no_template() -> None:
    messages = [{"role": "user", "content": "{{ 7 * 7 }}{% for %}"}]

    assert render("{{ messages[0].content }}", messages) == "{{ 7 * 7 }}{% for %}"


def test_raise_exception_gives_the_templates_own_words() -> None:
    with pytest.raises(ChatTemplateError, match="roles must alternate"):
        render("{{ raise_exception('roles must alternate') }}")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("", '{"b": "é<&>", "a": [1, null]}'),
        ("indent=2", json.dumps({"b": "é<&>", "a": [1, None]}, indent=2, ensure_ascii=False)),
        ("ensure_ascii=true", '{"b": "\\u00e9<&>", "a": [1, null]}'),
    ],
)
def test_tojson_keeps_order_and_characters(options: str, expected: str) -> None:
    messages = [{"role": "user", "content": {"b": "é<&>", "a": [1, None]}}]

    assert render("{{ messages[0].content | tojson(" + options + ") }}", messages) == expected


def test_strftime_now_is_the_present() -> None:
    before = datetime.now().astimezone()

    written = datetime.fromisoformat(render("{{ strftime_now('%Y-%m-%dT%H:%M:%S.%f%z') }}"))

    assert before <= written <= datetime.now().astimezone()


def test_loops_know_break_and_continue() -> None:
    source = (
        "{% for n in range(9) %}{% if n == 1 %}{% continue %}{% elif n == 4 %}{% break %}{% endif %}{{ n }}{% endfor %}"
    )

    assert render(source) == "023"


def test_namespaces_macros_and_whitespace_control_work() -> None:
    source = (
        "{%- macro shout(text) -%}{{ text | upper }}{%- endmacro -%}"
        "{% set ns = namespace(count=0) %}{% for m in messages %}{% set ns.count = ns.count + 1 %}{% endfor %}"
        "{{ shout(messages[0].content) }}{{ ns.count }}"
    )

    assert render(source) == "HELLO1"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ strftime_now.__code__.co_code }}",
        "{{ (messages | attr('__class__')).__base__ }}",
        "{{ cycler.__init__.__globals__.os }}",
        "{{ '{0.__class__.__mro__}'.format('') }}",
    ],
)
def test_the_sandbox_refuses_python_internals(source: str) -> None:
    with pytest.raises(ChatTemplateError, match="fails on this conversation"):
        render(source)


def test_a_refused_attribute_prints_as_nothing() -> None:
    assert render("[{{ ''.__class__ }}]") == "[]"


@pytest.mark.parametrize("source", ["{{ messages.append(1) }}", "{{ messages[0].update(role='x') }}"])
def test_a_template_cannot_change_the_conversation(source: str) -> None:
    messages = [{"role": "user", "content": "Hello"}]

    with pytest.raises(ChatTemplateError):
        render(source, messages)
    assert messages == [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    "source", ["{{ range(10 ** 9) | list }}", "{% include 'x' %}", "{{ 1 / 0 }}", "{{ none.x.y }}"]
)
def test_whatever_a_template_raises_is_a_template_error(source: str) -> None:
    with pytest.raises(ChatTemplateError, match="fails on this conversation"):
        render(source)


def test_endless_recursion_is_a_template_error() -> None:
    with pytest.raises(ChatTemplateError, match="fails on this conversation"):
        render("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}")


def test_a_syntax_error_names_the_line() -> None:
    with pytest.raises(ChatTemplateError, match="line 2"):
        ChatTemplate("a\n{% if %}")


def test_an_unknown_filter_is_a_template_error() -> None:
    with pytest.raises(ChatTemplateError):
        render("{{ 'a' | no_such_filter }}")
