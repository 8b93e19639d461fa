"""Qwen 3 Coder's format: ``<function=name>`` and a tag for each parameter, between Hermes' tags.

Sources: the chat templates of Qwen 3 Coder, Qwen 3.5 and Nemotron 3, as their repositories publish them.
"""

from __future__ import annotations

import re

from jan_ort.chat.formats.tagged_calls import OPENING, TaggedFormat, TagSyntax
from jan_ort.chat.formats.template_view import TemplateView


class Qwen3CoderFormat(TaggedFormat):
    """The format of Qwen 3 Coder and of what came after it."""

    name = "qwen3_coder"
    syntax = TagSyntax(
        head=re.compile(r"\s*<function=([^>\n]+)>"),
        key=re.compile(r"\s*<parameter=([^>\n]+)>"),
        begins_key="<parameter=",
        value_end="</parameter>",
        padding="\n",
        call_end="</function>",
    )

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes both tags."""
        return template.knows_tools and "<function=" in template.text and OPENING in template.text

    def head(self, name: str) -> str:
        """Return what names a function, on a line of its own."""
        return f"\n<function={name}>\n"

    def key(self, name: str) -> str:
        """Return what begins a parameter."""
        return f"<parameter={name}>"
