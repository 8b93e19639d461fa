"""What kind of value each keyword of a schema has (hop 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.subschemas import NAMED_SCHEMAS, shown

_Test = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_SHAPES: tuple[tuple[str, _Test, tuple[str, ...]], ...] = (
    ("a text", _is_text, ("$ref", "$dynamicRef", "pattern", "format")),
    ("a list", lambda value: isinstance(value, list), ("enum",)),
    ("a list of names", _are_texts, ("required",)),
    ("a name or a list of names", lambda value: _is_text(value) or (_are_texts(value) and value != []), ("type",)),
    (
        "a count",
        _is_count,
        (
            *("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"),
            *("minContains", "maxContains"),
        ),
    ),
    ("a number", _is_number, ("minimum", "maximum")),
    ("a number above 0", lambda value: _is_number(value) and value > 0, ("multipleOf",)),
    (
        "a number",
        lambda value: _is_number(value) or isinstance(value, bool),  # as the fourth draft has them
        ("exclusiveMinimum", "exclusiveMaximum"),
    ),
    (
        "an object of lists of names",
        lambda value: isinstance(value, dict) and all(map(_are_texts, value.values())),
        ("dependentRequired",),
    ),
    (
        "an object of schemas and lists of names",
        lambda value: (
            isinstance(value, dict)
            and all(_are_texts(each) or isinstance(each, bool | dict) for each in value.values())
        ),
        ("dependencies",),
    ),
)
_TESTS: Mapping[str, tuple[str, _Test]] = {name: (kind, test) for kind, test, names in _SHAPES for name in names}


_NULL_MEANS = ("const", "default")
"""Keywords that null is a value of; for any other it means that it is not given."""


def leave_out_nulls(schema: dict[str, Any]) -> None:
    """Leave out the keywords that are not given: clients write back every field that they know."""
    for keyword in [name for name, value in schema.items() if value is None and name not in _NULL_MEANS]:
        del schema[keyword]
    for keyword in NAMED_SCHEMAS:  # an empty object of PHP's, which has one empty array for lists and objects
        if schema.get(keyword) == []:
            del schema[keyword]


def check_shapes(path: str, schema: Mapping[str, Any]) -> None:
    """Check the values of a schema's keywords. Raises: SchemaError that names the first that cannot be read."""
    for keyword, value in schema.items():
        kind, test = _TESTS.get(keyword, ("", None))
        if test is not None and not test(value):
            raise SchemaError(path, f"{keyword!r} is {shown(value)}", f"give {kind}")
