"""Arguments that a format writes without JSON's quotes: only the tool's schema tells a text from a number (hop 9)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jan_ort.chat.tools import Tool

_KINDS: Mapping[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN_TEXT = frozenset({"type", "description", "title", "default", "examples", "enum", "const"})
"""What a schema of a text may say beside its length, so that it can be held to it without quotes."""
_PLAIN_OBJECT = frozenset(
    {
        "type",
        "properties",
        "required",
        "additionalProperties",
        "description",
        "title",
        "$schema",
        "$defs",
        "definitions",
    }
)


def kinds_of(schema: Any) -> frozenset[str]:
    """Return the types that a value may have, none where the schema does not say."""
    if not isinstance(schema, Mapping):
        return frozenset()
    stated = schema.get("type")
    if isinstance(stated, str):
        return frozenset({stated})
    if isinstance(stated, list):
        return frozenset(each for each in stated if isinstance(each, str))
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(values, list):
        return frozenset(_KINDS[type(each)] for each in values if type(each) in _KINDS)
    parts = [kinds_of(each) for name in ("anyOf", "oneOf") for each in schema.get(name) or ()]
    return frozenset().union(*parts) if parts and all(parts) else frozenset()


def property_schemas(tool: Tool) -> dict[str, Any]:
    """Return the schema of each argument; a reference within the tool's own schema is what it refers to."""
    properties = tool.parameters.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return {name: _target(schema, tool.parameters) for name, schema in properties.items()}


def _target(schema: Any, root: Mapping[str, Any]) -> Any:
    reference = schema.get("$ref") if isinstance(schema, Mapping) else None
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return schema if found is None else found


def value_as_json(value: Any) -> str:
    """Return a value as JSON, which holds no half of a surrogate pair. Raises: ValueError for what is not finite."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return json.dumps(value, allow_nan=False) if _SURROGATE.search(written) else written


def is_text(schema: Any) -> bool:
    """Whether a value is a text, whatever it looks like."""
    return kinds_of(schema) == {"string"}


def json_value(text: str, schema: Any) -> str:
    """Return a value that is written without quotes as JSON."""
    kinds = kinds_of(schema)
    if kinds != {"string"}:
        try:
            value = json.loads(_JSON_WORDS.get(text.strip(), text), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return json.dumps(text, ensure_ascii=False)
        kind = _KINDS[type(value)]
        try:
            written = value_as_json(value)
        except ValueError:  # 1e999
            return json.dumps(text, ensure_ascii=False)
        is_known = (
            kind in kinds or (kind == "integer" and "number" in kinds) or (kind == "number" and "integer" in kinds)
        )
        if is_known or ("string" not in kinds and (kinds or kind in ("array", "object", "boolean"))):
            return written
    return json.dumps(text, ensure_ascii=False)


_JSON_WORDS = {"True": "true", "False": "false", "None": "null"}


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _texts(schema: Mapping[str, Any]) -> list[str] | None:
    """Return the texts that a schema lists, None if it lists none."""
    if "const" not in schema and "enum" not in schema:
        return None
    values = [schema["const"]] if "const" in schema else schema["enum"]
    lengths = range(schema.get("minLength", 0), schema.get("maxLength", sys.maxsize) + 1)
    return [
        each for each in values if isinstance(each, str) and len(each) in lengths and each in schema.get("enum", [each])
    ]


def plain_properties(tool: Tool, end: str) -> dict[str, tuple[Any, bool]] | None:
    """Return each property's schema, and whether it is required; None where only JSON can be held to the schema.

    ``end`` ends a text: only in JSON can one hold it.
    """
    parameters = tool.parameters
    properties = parameters.get("properties", {})
    required = parameters.get("required", ())
    if not set(parameters) <= _PLAIN_OBJECT or not set(required) <= set(properties):
        return None
    shared = {name: parameters[name] for name in ("$defs", "definitions") if name in parameters}
    found = {}
    for name, schema in property_schemas(tool).items():
        if not isinstance(schema, Mapping) or not name.replace("_", "").replace("-", "").isalnum():
            return None
        is_plain = is_text(schema) and set(schema) <= {*_PLAIN_TEXT, "minLength", "maxLength"}
        if not is_plain and ("string" in kinds_of(schema) or not kinds_of(schema)):
            return None
        if is_plain and (values := _texts(schema)) is not None and (not values or any(end in each for each in values)):
            return None
        found[name] = ({**schema, **shared}, name in required)
    return found


def text_rules(name: str, schema: Mapping[str, Any], end: str, after: str) -> Iterator[str]:
    """Yield the rules of a text without quotes: ``end`` ends it, wherever it first stands, and ``after`` follows.

    Both are what the format writes there, ``end`` with white space that is no part of the text before it.
    """
    mark = end.lstrip()
    if (values := _texts(schema)) is not None:
        yield f"{name}: ({' | '.join(map(json.dumps, values))}) {json.dumps(end + after)}"
    elif "minLength" in schema or "maxLength" in schema:
        bounds = f"{schema.get('minLength', 0)},{schema.get('maxLength', '')}"
        # One lexeme: as one of its own the text would take the white space before its end, and never end.
        yield f"{name}: {name.upper()}"
        yield f"{name.upper()}: /[^<]{{{bounds}}}/ {json.dumps(end + after)}"
    else:
        yield f"{name}: {name}_text {json.dumps(after)}"
        yield f"{name}_text[lazy]: /(.|\\n)*/ {json.dumps(mark)}"
