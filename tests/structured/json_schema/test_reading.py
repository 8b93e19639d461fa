"""Schemas that are short, and much to read: each is refused, and none takes the thread that reads it for good."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.schema_checks import checked_schema


def calling_on(name: str, number: int, keyword: str = "anyOf") -> dict[str, Any]:
    """Schemas of which each leads to the next one many times."""
    names = [name, *(f"{name}{level}" for level in range(10))]
    return {each: {keyword: [{"$ref": f"#/$defs/{below}"}] * number} for each, below in pairwise(names)} | {
        names[-1]: {"const": 1}
    }


A, B = {"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}
FEW = {"enum": list(range(60))}
TOO_MUCH: dict[str, tuple[Any, str]] = {
    "a contrary that branches": ({"not": A, "$defs": calling_on("a", 50)}, "steps"),
    "alternatives that branch": (
        {"oneOf": [A, B], "$defs": {**calling_on("a", 50), **calling_on("b", 50)}},
        "steps",
    ),
    "cases that branch": ({"unevaluatedProperties": False, **A, "$defs": calling_on("a", 200, "allOf")}, "steps"),
    "long texts negated often": (
        {"not": {"anyOf": [A] * 2000}, "$defs": {"a": {"enum": [f"{at}{'x' * 100}" for at in range(200)]}}},
        "steps",
    ),
    "arrays that cannot end": (
        {"type": "array", "uniqueItems": True, "prefixItems": [FEW] * 12, "items": False, "minItems": 12},
        "steps",
    ),
    "permutations of many": ({"type": "array", "uniqueItems": True, "items": {"enum": list(range(20_000))}}, "unique"),
    "a long list in each choice": (
        {"if": {"required": [f"n{at}" for at in range(1000)]}, "else": {"enum": ["x" * 300_000]}},
        "characters when it is spelled out",
    ),
    "a long name above many": ({"$defs": {"a" * 250_000: {"anyOf": [{}] * 60_000}}}, "paths"),
    "copies of what is nested": (
        {
            "anyOf": [{"$ref": "#/not" + "/allOf/0" * at} for at in range(20)],
            "not": {"allOf": [{"allOf": [{"allOf": [{"allOf": [{"enum": ["x" * 400_000]}]}]}]}]},
        },
        "copied",
    ),
    "a pattern where no schema is looked for": (
        {"$ref": "#/default", "default": {"type": "string", "pattern": "((a{1000}){1000}){9}"}},
        "repetitions",
    ),
    "no schema where one is referred to": ({"$ref": "#/default", "default": {"anyOf": 5}}, "not a list"),
    "no schema to contradict": ({"not": {"$ref": "#/default"}, "default": {"properties": 5}}, "not an object"),
    "no reference": ({"$ref": "#/default", "default": {"$ref": {}}}, "'\\$ref' is {}"),
    "an identifier that is no URI": ({"$id": "http://[", "$ref": "#"}, "is not a reference"),
    "a number beyond all to tell apart": ({"oneOf": [{"const": 10**400}, {"const": 1}]}, "cannot be read"),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_to_read_is_refused(name: str) -> None:
    schema, message = TOO_MUCH[name]
    with pytest.raises(SchemaError, match=message):
        checked_schema(schema)


def test_one_place_of_an_array_has_one_name() -> None:
    checked = checked_schema({"$ref": "#/anyOf/" + "0" * 5000, "anyOf": [{"type": "null"}]})
    assert checked["$ref"].endswith("0000")  # which leads nowhere, and is refused when it is compiled


def test_arrays_without_equal_items_are_counted_no_further_than_there_are_values() -> None:
    schema = {"type": "array", "uniqueItems": True, "prefixItems": [{"const": 1}], "items": False, "maxItems": 10**9}
    (arrays,) = checked_schema(schema)["allOf"]
    assert [len(each["prefixItems"]) for each in arrays["anyOf"][:-1]] == [0, 1]


def test_many_kinds_with_many_required_properties_are_told_apart() -> None:
    shared = {f"p{at}": {"type": "string", "enum": [f"v{n}" for n in range(10)]} for at in range(40)}
    kinds = [
        {"type": "object", "properties": {"kind": {"const": at}, **shared}, "required": ["kind", *shared]}
        for at in range(32)
    ]
    assert len(checked_schema({"oneOf": kinds})["allOf"][0]["anyOf"]) == 32


def test_schemas_where_none_is_looked_for_are_read_like_all_others() -> None:
    checked = checked_schema(
        {
            "$ref": "#/components/schemas/A",
            "components": {
                "schemas": {
                    "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}, "required": ["b"]},
                    "B": {"oneOf": [{"type": "null"}, {"type": "string", "not": {"const": "x"}}]},
                }
            },
        }
    )
    del checked["components"]
    validator = jsonschema_rs.validator_for(checked)
    assert [validator.is_valid({"b": each}) for each in (None, "y", "x", 1)] == [True, True, False, False]


def test_a_copy_takes_no_name_of_the_schema() -> None:
    checked = checked_schema(
        {
            "properties": {"a": {"$ref": "#/not/properties/z"}, "b": {"$ref": "#/$defs/moved_0"}},
            "not": {"properties": {"z": {"type": "string"}}, "required": ["z"]},
            "$defs": {"moved_0": {"type": "null"}},
        }
    )
    validator = jsonschema_rs.validator_for(checked)
    assert validator.is_valid({"a": "x", "b": None})
    assert not validator.is_valid({"a": "x", "b": "x"})


@pytest.mark.parametrize("below", ["$defs", "somewhere"])
@pytest.mark.parametrize(
    "keyword",
    [
        *("type", "enum", "pattern", "format", "properties", "required", "items", "additionalProperties", "oneOf"),
        *("allOf", "$ref", "$defs", "minimum", "multipleOf", "maxLength", "description", "$id", "dependentRequired"),
        *("not", "if", "uniqueItems", "exclusiveMinimum", "unevaluatedItems", "$dynamicRef"),
    ],
)
def test_a_keyword_that_is_null_is_not_given(keyword: str, below: str) -> None:
    without: dict[str, Any] = {"$ref": f"#/{below}/a", below: {"a": {"title": "A"}}}
    with_null: dict[str, Any] = {"$ref": f"#/{below}/a", below: {"a": {keyword: None, "title": "A"}}}

    assert checked_schema(with_null)["$defs"] == checked_schema(without)["$defs"]
    assert checked_schema({keyword: None}) == {}


def test_a_value_that_is_null_is_one() -> None:
    schema = {"anyOf": [{"const": None}, {"enum": [None, 1], "default": None}]}

    assert checked_schema(schema) == schema
