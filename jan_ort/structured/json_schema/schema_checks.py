"""A JSON schema checked strictly: what is no schema or is not supported is refused by name.

Source: JSON Schema 2020-12; llguidance, docs/json_schema.md, for what is supported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.ecma_regex import repetitions, to_rust
from jan_ort.structured.json_schema.endless import is_endless

MAX_SCHEMA_CHARACTERS = 512 * 1024
"""The longest schema, as compact JSON: what is larger takes seconds to compile."""
MAX_DEPTH = 64
"""The deepest nesting of a schema's objects and arrays; the matcher's reader ends at 128."""
MAX_LEVELS = 2000
"""The depths of all schemas that ``$ref`` leads to, added up: the matcher's compiler calls itself for each level."""

MAX_LEAST = 4096
"""The largest ``minLength`` and ``minItems``: the matcher keeps some four states for each character it counts."""
MAX_REPETITIONS = 100_000
"""The largest product of nested counts in a pattern: beyond it the matcher needs gigabytes."""
LARGEST_INTEGER = 2**63 - 1024
"""The largest double that fits 64 bits: the matcher reads bounds as doubles."""
MAX_BOUNDED_STEP = 1000
"""The largest ``multipleOf`` of an integer that is bounded: the matcher keeps a state for each remainder and digit."""
_LEAP_YEAR = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
_REAL_DATE = f"^({_LEAP_YEAR}-02-29|....-02-([01]|2[0-8])|....-(0[13-9]|1))"
# No 60th second: it is right in two minutes a year, and most validators know none. A fraction goes to nanoseconds.
_SECOND = r"([^:]*:){2}[0-5][0-9](\.[0-9]{1,9})?[^.0-9]"
_FORMATS: dict[str, dict[str, Any]] = {
    "date": {"pattern": _REAL_DATE},
    "time": {"pattern": f"^{_SECOND}"},
    "date-time": {"pattern": f"{_REAL_DATE}{_SECOND}"},
    "duration": {"pattern": "^P(T|[0-9]{1,9}[YMWDHS])+$"},
    # RFC 5321, section 4.5.3.1, with its erratum 1690, and RFC 1035, section 2.3.4: lengths of the parts and the whole.
    "email": {"pattern": r"^[^@]{1,64}@[^.@]{1,63}(\.[^.@]{1,63}){0,3}$", "maxLength": 254},
    "hostname": {"maxLength": 253},
}
"""What else a string of the format must be, because the matcher alone allows more."""
_UNSUPPORTED = {
    "$dynamicRef",
    "$recursiveRef",
    "additionalItems",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxContains",
    "minContains",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
}
_WITHOUT_EFFECT: tuple[tuple[str, Any], ...] = (
    ("uniqueItems", False),
    ("unevaluatedItems", True),
    ("unevaluatedProperties", True),
    ("additionalItems", True),
    ("propertyNames", True),
    ("not", False),
)
_ONE_SCHEMA = ("additionalProperties", "items")
_LIST_OF_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")


def checked_schema(schema: object) -> dict[str, Any]:
    """Return the schema as the matcher is given it. Raises: SchemaError for what is none or is not supported."""
    if schema is False:
        raise SchemaError("", "false allows no value", "give a schema that something satisfies")
    if schema is not True and not isinstance(schema, dict):
        raise SchemaError("", f"{_shown(schema)} is not a JSON schema", "give an object, or true for any JSON value")
    return _checked({} if schema is True else schema)


def _checked(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without what has no effect. Raises: SchemaError for what is not supported."""
    depth = _depth(schema)
    if depth > MAX_DEPTH:
        raise SchemaError("", f"nested {depth} deep, and {MAX_DEPTH} are allowed", "move inner schemas to $defs")
    num_characters = len(json.dumps(schema, separators=(",", ":")))
    if num_characters > MAX_SCHEMA_CHARACTERS:
        raise SchemaError(
            "", f"{num_characters} characters, and {MAX_SCHEMA_CHARACTERS} are allowed", "use a smaller schema"
        )
    # x-guidance would let a request change the matcher's options.
    copied: dict[str, Any] = json.loads(
        json.dumps({key: schema[key] for key in schema if key != "x-guidance"}), parse_float=_integer_if_integral
    )
    levels = depth
    seen: set[str] = set()
    for path, found in subschemas(copied):
        _check_keywords(path, found)
        _check_patterns(path, found)
        _translate(found)
        reference = found.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            levels += _depth_of_target(path, reference, copied)
    if levels > MAX_LEVELS:
        raise SchemaError(
            "", f"references lead {levels} levels down, and {MAX_LEVELS} are allowed", "use a smaller schema"
        )
    if is_endless(copied, seen):
        raise SchemaError("", "it allows no value: each holds another without end", "let one of them be left out")
    return copied


def _check_keywords(path: str, schema: dict[str, Any]) -> None:
    for keyword, no_effect in _WITHOUT_EFFECT:
        if schema.get(keyword) is no_effect:
            del schema[keyword]
    if "then" not in schema and "else" not in schema:
        schema.pop("if", None)
    unsupported = sorted(_UNSUPPORTED & schema.keys())
    if unsupported:
        raise SchemaError(path, f"the keyword {unsupported[0]!r} is not supported", "leave it out, or say it otherwise")
    for keyword in ("minLength", "minItems"):
        if isinstance(schema.get(keyword), int) and schema[keyword] > MAX_LEAST:
            raise SchemaError(path, f"{keyword!r} is {schema[keyword]}, and {MAX_LEAST} is allowed", "lower it")
    required, minimum = schema.get("required"), schema.get("minProperties")
    num_required = len(required) if isinstance(required, list) else 0
    if isinstance(minimum, int) and minimum > max(1, num_required):
        raise SchemaError(
            path,
            f"'minProperties' {minimum} is not supported beyond the {num_required} required names: names may repeat",
            "list the names under 'required'",
        )


def _check_patterns(path: str, schema: dict[str, Any]) -> None:
    named = schema.get("patternProperties")
    for pattern in (schema.get("pattern"), *(named if isinstance(named, dict) else ())):
        if isinstance(pattern, str) and repetitions(pattern) > MAX_REPETITIONS:
            raise SchemaError(
                path,
                f"a pattern of {repetitions(pattern)} repetitions, nested ones multiplied, "
                f"and {MAX_REPETITIONS} are allowed",
                "lower its counts",
            )


def _translate(schema: dict[str, Any]) -> None:
    """Say in the matcher's terms what it would understand a little differently."""
    if isinstance(schema.get("pattern"), str):
        schema["pattern"] = to_rust(schema["pattern"])
    patterns = schema.get("patternProperties")
    if isinstance(patterns, dict):
        schema["patternProperties"] = {to_rust(pattern): value for pattern, value in patterns.items()}
    types = schema.get("type")
    if schema.get("multipleOf", MAX_BOUNDED_STEP + 1) in range(MAX_BOUNDED_STEP + 1) and "integer" in (types or ()):
        # Where a number may end depends on all of its digits then: the matcher has to know the bounds in advance.
        schema.setdefault("minimum", -LARGEST_INTEGER)
        schema.setdefault("maximum", LARGEST_INTEGER)
    narrower = _FORMATS.get(str(schema.get("format")))
    others = schema.get("allOf", [])
    if narrower is not None and isinstance(others, list):  # else it is refused as what it is
        schema["allOf"] = [*others, dict(narrower)]


def subschemas(root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every object that is a schema, with its path. Raises: SchemaError where a schema should be and is none."""
    pending: list[tuple[str, object]] = [("", root)]
    while pending:
        path, schema = pending.pop()
        if isinstance(schema, bool):
            continue
        if not isinstance(schema, dict):
            raise SchemaError(path, f"{_shown(schema)} is not a JSON schema", "give an object, true or false")
        yield path, schema
        pending.extend(reversed(list(_children(path, schema))))


def _children(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for keyword, value in schema.items():
        below = f"{path}/{_escaped(keyword)}"
        if keyword in _ONE_SCHEMA:
            yield below, value
        elif keyword in _LIST_OF_SCHEMAS:
            if not isinstance(value, list):
                raise SchemaError(below, f"{_shown(value)} is not a list of schemas", "give a list")
            yield from ((f"{below}/{index}", item) for index, item in enumerate(value))
        elif keyword in _NAMED_SCHEMAS:
            if not isinstance(value, dict):
                raise SchemaError(below, f"{_shown(value)} is not an object of schemas", "give an object")
            yield from ((f"{below}/{_escaped(name)}", item) for name, item in value.items())


def _depth_of_target(path: str, reference: str, root: dict[str, Any]) -> int:
    """Return how deep the schema is that the reference leads to; the most that is allowed if it is not a pointer."""
    if not reference.startswith("#"):
        raise SchemaError(
            path, f"the reference {reference!r} leads out of the schema", "copy what it leads to into $defs"
        )
    target: object = root
    for part in reference[1:].split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, dict) and key in target:
            target = target[key]
        elif isinstance(target, list) and key.isdecimal() and int(key) < len(target):
            target = target[int(key)]
        else:
            return MAX_DEPTH
    return _depth(target)


def _depth(value: object) -> int:
    """Return how deep a JSON value's objects and arrays are nested, without calling itself."""
    deepest = 0
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        value, depth = pending.pop()
        deepest = max(deepest, depth)
        if isinstance(value, dict):
            pending.extend((item, depth + 1) for item in value.values())
        elif isinstance(value, list):
            pending.extend((item, depth + 1) for item in value)
    return deepest


def _integer_if_integral(text: str) -> int | float:
    """Return the number; 2.0 is an integer to JSON Schema, and not to the matcher."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _escaped(name: str) -> str:
    """Return a name as part of a JSON pointer. Source: RFC 6901, section 3."""
    return name.replace("~", "~0").replace("/", "~1")


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:40]}…"
