"""What is read off chat templates, and which format each teaches."""

from __future__ import annotations

import jinja2
import pytest

from jan_ort.chat.formats import ToolFormat, find_format, read_template
from tests.chat.formats import templates
from tests.chat.tools.parsing import BY_NAME, DESCRIBED, HERMES, LLAMA3, MISTRAL, MISTRAL_ARGS

FORMATS = [
    (templates.CHATML, DESCRIBED),
    (templates.HERMES, HERMES),
    (templates.LLAMA3, LLAMA3),
    (templates.MISTRAL, MISTRAL),
    (templates.MISTRAL_ARGS, MISTRAL_ARGS),
    (templates.SMOLLM3, HERMES),
    (templates.QWEN3_CODER, BY_NAME["qwen3_coder"]),
    (templates.GLM, BY_NAME["glm"]),
    (templates.DEEPSEEK, DESCRIBED),
]


@pytest.mark.parametrize(("source", "expected"), FORMATS)
def test_a_template_teaches_its_format(source: str, expected: ToolFormat) -> None:
    assert find_format(read_template(source)) is expected


def test_markers_outside_of_what_is_written_do_not_count() -> None:
    source = "{# <tool_call> [TOOL_CALLS] #}{% if tools %}{{ tools }}{% endif %}"

    assert find_format(read_template(source)) is DESCRIBED


@pytest.mark.parametrize(
    ("source", "knows"),
    [
        ("{{ tools | tojson }}", True),
        ("{% if tools %}x{% endif %}", True),
        ("{% if not tools is defined %}{% set tools = none %}{% endif %}{{ tools }}", True),
        ("{% macro list() %}{{ tools }}{% endmacro %}{{ list() }}", True),
        ("{% generation %}{{ tools }}{%- endgeneration -%}", True),
        ("{% set tools = [] %}{{ tools }}", False),
        ("{% for tools in messages %}{{ tools }}{% endfor %}", False),
        ("{{ messages[0].tools }}", False),
        ("{# tools #} tools {{ 'tools' }}", False),
    ],
)
def test_a_template_knows_tools_if_it_reads_the_variable(source: str, knows: bool) -> None:
    assert read_template(source).knows_tools is knows


@pytest.mark.parametrize(
    ("source", "writes_calls"),
    [(templates.HERMES, True), (templates.MISTRAL_ARGS, True), (templates.DEEPSEEK, True), (templates.SMOLLM3, False)],
)
def test_a_template_writes_calls_if_it_reads_them_from_messages(source: str, writes_calls: bool) -> None:
    assert read_template(source).writes_calls is writes_calls


@pytest.mark.parametrize(
    ("source", "wants_text"),
    [
        (templates.DEEPSEEK, True),
        ("{{ call.arguments }}", True),
        ("{{ 'a' ~ call['arguments'] }}", True),
        (
            "{% if call.arguments is string %}{{ call.arguments }}{% else %}{{ call.arguments | tojson }}{% endif %}",
            False,
        ),
        (templates.HERMES, False),
        (templates.LLAMA3, False),
        (templates.MISTRAL, False),
        (templates.MISTRAL_ARGS, False),
        (templates.QWEN3_CODER, False),
    ],
)
def test_a_template_wants_text_if_it_writes_arguments_as_they_are(source: str, wants_text: bool) -> None:
    assert read_template(source).wants_text is wants_text


def test_a_template_that_does_not_parse_says_so() -> None:
    with pytest.raises(jinja2.TemplateSyntaxError):
        read_template("{% if %}")


def test_markers_that_may_be_special_tokens_are_named() -> None:
    assert MISTRAL.markers == ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
    assert DESCRIBED.markers == ("<tool_call>", "</tool_call>")
    assert LLAMA3.markers == ("<|python_tag|>",)
