"""GLM's format: the function's name, and a pair of tags for each argument, between Hermes' tags.

Sources: the chat templates of GLM 4.5 to 4.7, as their repositories publish them.
"""

from __future__ import annotations

import re

from jan_ort.chat.formats.tagged_calls import TaggedFormat, TagSyntax
from jan_ort.chat.formats.template_view import TemplateView


class GlmFormat(TaggedFormat):
    """The format of GLM 4.5 and later."""

    name = "glm"
    syntax = TagSyntax(
        head=re.compile(r"\s*([\w.-]+)(?=[\s<])"),
        key=re.compile(r"\s*<arg_key>([^<]*)</arg_key>\s*<arg_value>"),
        begins_key="<arg_key>",
        value_end="</arg_value>",
        padding="",
        call_end="",
    )

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes pairs."""
        return template.knows_tools and "<arg_key>" in template.text

    def head(self, name: str) -> str:
        """Return what names a function, at the end of a line."""
        return f"{name}\n"

    def key(self, name: str) -> str:
        """Return what begins an argument."""
        return f"<arg_key>{name}</arg_key>\n<arg_value>"
