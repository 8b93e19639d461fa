"""What a chat template writes and reads, taken from its source once (hop 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jinja2 import Environment, meta, nodes
from jinja2.ext import loopcontrols

# Marks the assistant's words for training; jinja2 itself does not know it, and nothing here depends on it.
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")


_THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True, slots=True)
class TemplateView:
    """A chat template as formats look at it.

    ``text`` is all that it may write, its texts and its constants. ``variables`` are the names that it takes from
    outside. ``writes_calls`` says that it writes the calls of earlier messages; SmolLM3's describes tools, but leaves
    those out. ``wants_text`` says that it takes a call's arguments for JSON text and not for an object: DeepSeek's
    concatenate them, most others apply ``tojson``. ``thought_field`` is where it looks for what the assistant thought.
    """

    text: str
    variables: frozenset[str]
    writes_calls: bool
    wants_text: bool
    thought_field: str | None = None

    @property
    def knows_tools(self) -> bool:
        """Whether it reads the variable ``tools``."""
        return "tools" in self.variables


def read_template(source: str) -> TemplateView:
    """Return what the template writes and reads. Raises: jinja2.TemplateSyntaxError."""
    tree = Environment(extensions=[loopcontrols], autoescape=True).parse(_GENERATION.sub("", source))
    variables = frozenset(meta.find_undeclared_variables(tree))
    thought_field = next((name for name in _THOUGHT_FIELDS if _mentions(tree, name)), None)
    return TemplateView(
        "\n".join(_texts(tree)), variables, _mentions(tree, "tool_calls"), _wants_text(tree), thought_field
    )


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
