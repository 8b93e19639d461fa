"""Mistral's two formats: ``[TOOL_CALLS] [{"name": …, "arguments": {…}}, …]``, and ``[TOOL_CALLS]name[ARGS]{…}``.

Sources: the chat templates of Mistral 7B v0.3, Mistral Small 3.1 and 3.2 and Devstral, as their repositories publish
them; mistral-common's tokenizers 3 to 13.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

from jan_ort.chat.formats.base import ToolFormat
from jan_ort.chat.formats.call_grammar import CallGrammar
from jan_ort.chat.formats.json_calls import JsonCallsReader
from jan_ort.chat.formats.object_call import JsonCall
from jan_ort.chat.formats.template_view import TemplateView
from jan_ort.chat.tools.call_reader import CallReader, Opening
from jan_ort.chat.tools.json_scanner import JsonScanner
from jan_ort.chat.tools.lark_text import quoted
from jan_ort.chat.tools.tool_plan import Tool

_OPENING, _ARGS, _CALL_ID = "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"
_ID = re.compile(r"[a-zA-Z0-9]{9}")
_HEAD = re.compile(r"(?P<name>[\w.-]+)\s*(?:\[CALL_ID\]\s*[\w-]+\s*)?(?:\[ARGS\]\s*)?", re.ASCII)
_MAX_HEAD = 200
"""Characters before the arguments of a call in the newer form: a name of 64, an id, two markers."""


class MistralFormat(ToolFormat):
    """A list of calls after one marker, up to the 7th tokenizer."""

    name = "mistral"
    markers = (_OPENING, _ARGS, _CALL_ID)
    openings = (Opening(_OPENING),)

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes this marker alone."""
        return template.knows_tools and _OPENING in template.text and _ARGS not in template.text

    def reader(self, opening: str, tools: Mapping[str, Tool]) -> CallReader:
        """Return a reader of both forms: models of one are known to write the other."""
        return JsonCallsReader(tools, has_list=True, new_head=HeadCall)

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of one list of calls."""
        calls = grammar.several("call", between='", " ')
        body = f'" [" {calls} "]"'
        return grammar.lark(grammar.start(_OPENING, body, between=None), partial(grammar.object_call, key="arguments"))

    def shape(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the messages with short ids: Mistral's templates refuse all but nine letters and digits."""
        return [_with_short_ids(message) for message in messages]


class MistralArgsFormat(MistralFormat):
    """A marker before each call, its name, and its arguments, since the 11th tokenizer."""

    name = "mistral_args"

    def detects(self, template: TemplateView) -> bool:
        """Whether the template knows tools and writes both markers."""
        return template.knows_tools and _OPENING in template.text and _ARGS in template.text

    def write_grammar(self, grammar: CallGrammar) -> str:
        """Return the grammar of calls with a marker each."""

        def rules(at: int, tool: Tool) -> list[str]:
            return grammar.json_call(at, tool, f"{quoted(tool.name)} {grammar.marker(_ARGS)}")

        return grammar.lark(grammar.start(_OPENING, "call"), rules)


class HeadCall(JsonCall):
    """Reads ``name[ARGS]{…}``, with or without a ``[CALL_ID]``."""

    def __init__(self, names: Collection[str]) -> None:
        super().__init__(names)
        self._head = ""
        self._scanner = JsonScanner()

    def feed(self, char: str) -> bool:
        """Take the next character; False if it cannot stand here."""
        if self.name is None:
            if char != "{":
                self._head += char
                return len(self._head) <= _MAX_HEAD
            head = _HEAD.fullmatch(self._head)
            if head is None or head["name"] not in self._names:
                return False
            self.name = head["name"]
        if not self._scanner.feed(char):
            return False
        self._argument(char)
        if self._scanner.is_done:
            self._finish_arguments()
            self.is_done = True
        return True


def _with_short_ids(message: dict[str, Any]) -> dict[str, Any]:
    changed = dict(message)
    if "tool_call_id" in message:
        changed["tool_call_id"] = _short_id(message["tool_call_id"])
    if "tool_calls" in message:
        changed["tool_calls"] = [call | {"id": _short_id(call["id"])} for call in message["tool_calls"]]
    return changed


def _short_id(call_id: str) -> str:
    if _ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]
