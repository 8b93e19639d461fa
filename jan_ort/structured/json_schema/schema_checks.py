"""A JSON schema checked strictly: what is no schema or is not supported is refused by name.

Source: JSON Schema 2020-12; llguidance, docs/json_schema.md, for what is supported.
"""

from __future__ import annotations

import json
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.ecma_regex import repetitions, to_rust
from jan_ort.structured.json_schema.endless import check_progress, leave_out_endless
from jan_ort.structured.json_schema.formats import hold_format
from jan_ort.structured.json_schema.keyword_shapes import check_shapes, leave_out_nulls
from jan_ort.structured.json_schema.meeting_patterns import check_meeting_patterns
from jan_ort.structured.json_schema.number_limits import limit_numbers
from jan_ort.structured.json_schema.reference_names import point_references
from jan_ort.structured.json_schema.references import Steps, target
from jan_ort.structured.json_schema.rewriting import REWRITTEN, bring_up_to_date, rewritten
from jan_ort.structured.json_schema.subschemas import shown, subschemas

MAX_SCHEMA_CHARACTERS = 512 * 1024
"""The longest schema, as compact JSON: what is larger takes seconds to compile."""
MAX_DEPTH = 64
"""The deepest nesting of a schema's objects and arrays; the matcher's reader ends at 128."""
MAX_SPELLED_DEPTH = 124
MAX_LEVELS = 2000
"""The depths of all schemas that ``$ref`` leads to, added up: the matcher's compiler calls itself for each level."""

MAX_LEAST = 4096
"""The largest ``minLength`` and ``minItems``: the matcher keeps some four states for each character it counts."""
MAX_REPETITIONS = 100_000
"""The largest product of nested counts in a pattern: beyond it the matcher needs gigabytes."""


def checked_schema(schema: object, steps: Steps | None = None) -> dict[str, Any]:
    """Return the schema as the matcher is given it. Raises: SchemaError for what is none or is not supported.

    ``steps`` are those that it may take, shared by the schemas of a request.
    """
    if schema is False:
        raise SchemaError("", "false allows no value", "give a schema that something satisfies")
    if schema is not True and not isinstance(schema, dict):
        raise SchemaError("", f"{shown(schema)} is not a JSON schema", "give an object, or true for any JSON value")
    return _checked({} if schema is True else schema, Steps() if steps is None else steps)


def _checked(schema: dict[str, Any], steps: Steps) -> dict[str, Any]:
    """Return the schema without what has no effect. Raises: SchemaError for what is not supported."""
    depth = _depth(schema)
    if depth > MAX_DEPTH:
        raise SchemaError("", f"nested {depth} deep, but only {MAX_DEPTH} are allowed", "move inner schemas to $defs")
    num_characters = len(json.dumps(schema, separators=(",", ":")))
    if num_characters > MAX_SCHEMA_CHARACTERS:
        raise SchemaError(
            "", f"{num_characters} characters, but only {MAX_SCHEMA_CHARACTERS} are allowed", "use a smaller schema"
        )
    # x-guidance would let a request change the matcher's options.
    text = json.dumps({key: schema[key] for key in schema if key != "x-guidance"})
    copied: dict[str, Any] = json.loads(text, parse_float=_integer_if_integral, parse_int=_in_range)
    for path, found in subschemas(copied):
        leave_out_nulls(found)
        check_shapes(path, found)
        bring_up_to_date(found)
    point_references(copied, REWRITTEN)
    check_progress(copied)
    copied = rewritten(copied, steps)
    depth = _depth(copied)
    if depth > MAX_SPELLED_DEPTH:
        raise SchemaError("", f"nested {depth} deep when it is spelled out", "move inner schemas to $defs")
    levels = depth
    seen: set[str] = set()
    for path, found in subschemas(copied):
        _check_keywords(path, found)
        _check_patterns(path, found)
        _translate(found)
        reference = found.get("$ref")
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            levels += _depth_of_target(reference, copied)
    if levels > MAX_LEVELS:
        raise SchemaError(
            "", f"references lead {levels} levels down, but only {MAX_LEVELS} are allowed", "use a smaller schema"
        )
    check_meeting_patterns(copied)
    if seen:
        leave_out_endless(copied)
    return copied


def _check_keywords(path: str, schema: dict[str, Any]) -> None:
    if "$dynamicRef" in schema or "$recursiveRef" in schema:
        raise SchemaError(path, "a dynamic reference is not supported", "use $ref")
    for value in [schema.get("const"), *schema.get("enum", ())]:
        if isinstance(value, int) and 2**53 < abs(value) < 2**1023 and int(float(value)) != value:
            raise SchemaError(path, f"{value} does not fit a double, which the matcher reads", "give it as a text")
    for keyword in ("minLength", "minItems"):
        if isinstance(schema.get(keyword), int) and schema[keyword] > MAX_LEAST:
            raise SchemaError(path, f"{keyword!r} is {schema[keyword]}, but only {MAX_LEAST} is allowed", "lower it")
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
    limit_numbers(schema)
    hold_format(schema)


def _depth_of_target(reference: str, root: dict[str, Any]) -> int:
    """Return how deep the schema is that the reference leads to; the most that is allowed if it leads nowhere."""
    found = target(root, reference)
    return MAX_DEPTH if found is None else _depth(found)


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


def _in_range(text: str) -> int:
    number = int(text)
    if abs(number) >= 2**1023:
        raise SchemaError("", f"a number of {len(text)} digits cannot be read", "give it as a text")
    return number
