"""Llama 3's format: ``{"name": …, "parameters": {…}}``, after ``<|python_tag|>`` or bare; several with ``;`` between.

Sources: the chat templates of Llama 3.1 to 3.3, as their repositories publish them; Meta's prompt format for Llama 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools import Tool
from jan_ort.chat.tools.call_reader import CallReader, Opening

_TAG, _BARE = "<|python_tag|>", "{"


class Llama3Format(ToolFormat):
    """The JSON format of Llama 3.1 and later; its models are taught one call at a time, and write several."""

    name = "llama3"
    markers = (_TAG,)
    openings = (Opening(_TAG), Opening(_BARE, begins_line=True))

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools, writes ``parameters`` and names the environment of Llama's tools."""
        return template.knows_tools and '"parameters": ' in template.text and "ipython" in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader; a bare opening is the call's own brace."""
        return JsonCallsReader(tools, separator=";", begun=opening if opening == _BARE else "")

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one call, or of text that does not begin as one."""
        start = ["start: call"]
        if not grammar.plan.is_forced:
            tagged = f" | {grammar.marker(_TAG)} call" if _TAG in grammar.special_token_ids else ""
            start = [f"start: call{tagged} | TEXT", r"TEXT: /(\s*[^{\s](.|\n)*)?/"]
        return grammar.lark(start, partial(grammar.object_call, key="parameters"))

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with one call each: Llama's templates refuse several, which its models write."""
        return list(_one_call_each(messages))


def _one_call_each(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        calls = message.get("tool_calls", ())
        if len(calls) < 2:
            yield message
        else:
            yield from (message | {"tool_calls": [call]} for call in calls)
