"""A checked JSON schema as the matcher's grammar. The properties come in the order of the schema."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Any

from llguidance import LLMatcher

from jan_ort.structured.forcing import NO_FORCING
from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.subschemas import subschemas

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

JSON_OBJECT: dict[str, Any] = {"type": "object"}
"""The schema of any JSON object."""

MAX_LOCATED = 200
"""How many schemas inside a refused one are tried to find the place."""
WHITESPACE = r"\x20|\r?\n(\x20{0,20}|\t{0,10})"
"""Between two tokens of JSON: nothing, one space, or one line break with its indentation. It cannot run away."""


_CONTROL = re.compile(r"\\u00[01]")
ESCAPES = 'nrbtf\\"'
"""What may follow a backslash in a text. No ``u``: a name spelled with it would go by as another one."""
LAYOUT: JsonCompileOptions = {
    "json_allowed_escapes": ESCAPES,
    "whitespace_pattern": WHITESPACE,
    "whitespace_flexible": True,
    "item_separator": ",",
    "key_separator": ":",
    "lenient": False,
    "coerce_one_of": False,
}
"""How JSON is written, and that no part of a schema is passed over."""


def or_json_text(calls: str, checked: dict[str, Any], *, head: str = "") -> str:
    """Return a grammar in the matcher's language of what ``calls`` allows, or of JSON that keeps a checked schema.

    ``head`` is an expression of what the model writes before a text.
    """
    schema = json.dumps(checked | {"x-guidance": LAYOUT})
    return f"start: whole_text | all_calls\nwhole_text: {head} text_alone\ntext_alone: %json {schema}\n" + re.sub(
        "^start:", "all_calls:", calls, count=1, flags=re.MULTILINE
    )


def grammar_of_checked(checked: dict[str, Any], *, is_forcing: bool = True) -> str:
    """Return the matcher's grammar of a schema that has been checked. Raises: SchemaError for a number too large."""
    text = json.dumps(checked)
    # A control character of the schema itself has no other spelling.
    layout = LAYOUT | {"json_allowed_escapes": ESCAPES + "u"} if _CONTROL.search(text) else LAYOUT
    try:
        grammar = str(LLMatcher.grammar_from_json_schema(text, overrides=layout))
    except ValueError as error:
        raise SchemaError("", f"the schema cannot be read: {error}", "change or remove it") from error
    if is_forcing:
        return grammar
    (given,) = json.loads(grammar)["grammars"]
    return str(LLMatcher.grammar_from_lark(f"{NO_FORCING}start: %json {json.dumps(given['json_schema'])}"))


def locate(schema: dict[str, Any], fails: Callable[[str], bool]) -> str:
    """Return the path of the innermost of the first schemas whose grammar alone ``fails``; "" for the whole."""
    shared = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
    found = [path for path, part in islice(subschemas(schema), MAX_LOCATED) if fails(grammar_of_checked(shared | part))]
    return max(found, key=lambda path: path.count("/"), default="")
