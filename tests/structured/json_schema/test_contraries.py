"""What contradicts a schema and which schemas cannot overlap, beside an independent validator on many values."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.structured.json_schema.negation import negated
from jan_ort.structured.json_schema.overlaps import are_disjoint
from jan_ort.structured.json_schema.references import Document, Steps

VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        2,
        3,
        7,
        -1,
        0.5,
        2.5,
        "",
        "a",
        "ab",
        "abc",
        "b",
        "-",
        "é",
        "a\nb",
        [],
        {},
        [1],
        [1, "a"],
    ),
    *(
        [None, None, 2],
        {"a": 1},
        {"a": "a"},
        {"b": 1},
        {"a": 1, "b": 2},
        {"a": None, "b": "x", "c": 3},
        [[]],
        {"a": {"b": 1}},
    ),
]
ROOT = {"$defs": {"n": {"type": "number", "minimum": 2}, "o": {"required": ["a"]}}}
SCHEMAS: list[Any] = [
    *(True, False, {}, {"title": "x"}, {"type": "null"}, {"type": ["string", "number"]}, {"type": "number"}),
    *({"const": 1}, {"const": "ab"}, {"const": ""}, {"const": []}, {"const": {}}, {"const": True}, {"const": None}),
    *({"enum": [1, 2, "a", "abc", None]}, {"enum": ["", "b", "a\nb", "-"]}, {"enum": [False, 3, 0.5]}),
    *({"minimum": 1}, {"maximum": 1}, {"exclusiveMinimum": 2}, {"exclusiveMaximum": 2}, {"minimum": 1, "maximum": 2}),
    *({"minLength": 1}, {"minLength": 0}, {"maxLength": 1}, {"minItems": 1}, {"maxItems": 1}, {"minProperties": 2}),
    *({"required": ["a"]}, {"required": ["a", "b"]}, {"properties": {"a": {"const": 1}}}, {"maxProperties": 0}),
    *(
        {"properties": {"a": {"type": "null"}, "b": {"type": "string"}}},
        {"prefixItems": [{"const": 1}, {"type": "null"}]},
    ),
    *({"not": {"type": "string"}}, {"not": {"not": {"const": 1}}}, {"anyOf": [{"type": "null"}, {"minimum": 2}]}),
    *({"allOf": [{"type": "number"}, {"minimum": 2}]}, {"$ref": "#/$defs/n"}, {"not": {"$ref": "#/$defs/o"}}),
    *({"type": "object", "required": ["a"], "properties": {"a": {"const": 1}}}, {"items": False}),
    *(
        {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}},
        {"x-other": 1, "type": "boolean"},
    ),
    *({"oneOf": [{"const": 1}, {"const": 2}]}, {"type": "array", "minItems": 1, "prefixItems": [{"type": "number"}]}),
    *({"type": "array", "minItems": 1, "prefixItems": [{"type": "array"}]}, {"type": "integer", "maximum": 1}),
    *({"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False},),
    *({"type": "object", "properties": {"b": {}}, "required": ["b"], "additionalProperties": False},),
]


def satisfying(schema: Any) -> list[bool]:
    whole = {**ROOT, "allOf": [schema]}
    validator = jsonschema_rs.validator_for(whole)
    return [validator.is_valid(value) for value in VALUES]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_what_contradicts_a_schema_is_all_that_does_not_satisfy_it(schema: Any) -> None:
    contrary = negated(schema, Document(ROOT, Steps()))

    if contrary is not None:
        others = satisfying({"anyOf": contrary} if contrary else False)
        assert [
            value for value, own, other in zip(VALUES, satisfying(schema), others, strict=True) if own == other
        ] == []


def test_most_contraries_can_be_said() -> None:
    unsaid = [schema for schema in SCHEMAS if negated(schema, Document(ROOT, Steps())) is None]

    assert len(unsaid) <= 4


def test_schemas_that_cannot_overlap_have_no_value_in_common() -> None:
    known = {at: satisfying(schema) for at, schema in enumerate(SCHEMAS)}
    num_disjoint = 0
    for one, other in combinations(range(len(SCHEMAS)), 2):
        if are_disjoint(SCHEMAS[one], SCHEMAS[other], Document(ROOT, Steps())):
            num_disjoint += 1
            both = [value for value, *pair in zip(VALUES, known[one], known[other], strict=True) if all(pair)]
            assert both == [], (SCHEMAS[one], SCHEMAS[other])
    assert num_disjoint > 150
