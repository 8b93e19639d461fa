"""How a model writes calls, read off its own chat template (hop 3).

Sources: the chat templates of Hermes 2 Pro, Qwen 2.5, Qwen 3, Llama 3.1 to 3.3, Mistral 7B v0.3, Mistral Small 3.1 and
3.2 and Devstral, as their repositories publish them; Meta's prompt format for Llama 3.1; mistral-common's tokenizers
3 to 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from jinja2 import Environment, meta, nodes
from jinja2.ext import loopcontrols


class ToolFormat(StrEnum):
    """The form of a call in a model's output."""

    HERMES = "hermes"
    """``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, once for each call."""
    LLAMA3 = "llama3"
    """``{"name": …, "parameters": {…}}``, after ``<|python_tag|>`` or bare; several with ``;`` between them."""
    MISTRAL = "mistral"
    """``[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]``, up to the 7th tokenizer."""
    MISTRAL_ARGS = "mistral_args"
    """``[TOOL_CALLS]name[ARGS]{…}``, once for each call, since the 11th tokenizer."""
    PLAIN = "plain"
    """Hermes' form for a template that knows no tools, or a form of its own: the tools are described in words."""

    @property
    def markers(self) -> tuple[str, ...]:
        """Texts of the format that may be special tokens; a detokenizer must give them out."""
        return _MARKERS[self]


_HERMES = ("<tool_call>", "</tool_call>")
_MISTRAL = ("[TOOL_CALLS]", "[ARGS]", "[CALL_ID]")
_MARKERS = {
    ToolFormat.HERMES: _HERMES,
    ToolFormat.PLAIN: _HERMES,
    ToolFormat.LLAMA3: ("<|python_tag|>",),
    ToolFormat.MISTRAL: _MISTRAL,
    ToolFormat.MISTRAL_ARGS: _MISTRAL,
}


# Marks the assistant's words for training; jinja2 itself does not know it, and nothing here depends on it.
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
_XML = ("<function=", "<arg_key>")
"""What Qwen 3 Coder and GLM write between Hermes' tags, in place of JSON."""


@dataclass(frozen=True, slots=True)
class TemplateTools:
    """What a chat template does with tools.

    ``tool_format`` is PLAIN where it does nothing that is known here. ``writes_calls`` says that it writes the calls of
    earlier messages; SmolLM3's describes tools, but leaves those out. ``wants_text`` says that it takes a call's
    arguments for JSON text and not for an object: DeepSeek's concatenate them, most others apply ``tojson``.
    """

    tool_format: ToolFormat
    writes_calls: bool
    wants_text: bool


def read_template(source: str) -> TemplateTools:
    """Return what the template does with tools. Raises: jinja2.TemplateSyntaxError."""
    tree = _parsed(source)
    return TemplateTools(_format(tree), _mentions(tree, "tool_calls"), _wants_text(tree))


def detect_format(source: str) -> ToolFormat:
    """Return the format that the template teaches its model. Raises: jinja2.TemplateSyntaxError."""
    return _format(_parsed(source))


def template_knows_tools(source: str) -> bool:
    """Whether the template reads the variable ``tools``. Raises: jinja2.TemplateSyntaxError."""
    return _knows_tools(_parsed(source))


def _parsed(source: str) -> nodes.Template:
    return Environment(extensions=[loopcontrols], autoescape=True).parse(_GENERATION.sub("", source))


def _knows_tools(tree: nodes.Template) -> bool:
    return "tools" in meta.find_undeclared_variables(tree)


def _format(tree: nodes.Template) -> ToolFormat:
    if not _knows_tools(tree):
        return ToolFormat.PLAIN
    text = "\n".join(_texts(tree))
    if "[TOOL_CALLS]" in text:
        return ToolFormat.MISTRAL_ARGS if "[ARGS]" in text else ToolFormat.MISTRAL
    if "<tool_call>" in text and not any(mark in text for mark in _XML):
        return ToolFormat.HERMES
    if '"parameters": ' in text and "ipython" in text:
        return ToolFormat.LLAMA3
    return ToolFormat.PLAIN


def _texts(tree: nodes.Template) -> Iterator[str]:
    yield from (node.data for node in tree.find_all(nodes.TemplateData))
    yield from (node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str))


def _mentions(tree: nodes.Template, name: str) -> bool:
    """Whether the template reads an attribute or a key of this name, or tests for it."""
    return any(node.attr == name for node in tree.find_all(nodes.Getattr)) or name in _texts(tree)


def _wants_text(tree: nodes.Template) -> bool:
    """Whether ``arguments`` are written as they are, and nowhere given to a filter such as ``tojson``."""
    is_filtered = any(True for found in tree.find_all(nodes.Filter) for _ in _arguments(found))
    writing = tree.find_all((nodes.Add, nodes.Concat, nodes.Output))
    return not is_filtered and any(_has_arguments_as_operand(node) for node in writing)


def _arguments(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield the expressions ``x.arguments`` and ``x['arguments']`` below ``node``."""
    yield from (found for found in node.find_all(nodes.Getattr) if found.attr == "arguments")
    for item in node.find_all(nodes.Getitem):
        if isinstance(item.arg, nodes.Const) and item.arg.value == "arguments":
            yield item


def _has_arguments_as_operand(node: nodes.Node) -> bool:
    operands = {id(child) for child in node.iter_child_nodes()}
    return any(id(found) in operands for found in _arguments(node))
