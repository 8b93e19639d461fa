"""JSON schemas that the server must hold output to, and what is refused, each with an id."""

from __future__ import annotations

from typing import Any

_TREE = {
    "type": "object",
    "properties": {
        "value": {"type": "integer", "minimum": 0, "maximum": 9},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
    },
    "required": ["value"],
    "additionalProperties": False,
}
_PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 30},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "email": {"type": "string", "format": "email"},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}


def _optional(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _object(**properties: Any) -> dict[str, Any]:
    return _optional(**properties) | {"required": list(properties)}


SCHEMAS: list[tuple[str, Any]] = [
    ("true", True),
    ("empty", {}),
    ("object", {"type": "object"}),
    ("array", {"type": "array"}),
    ("string", {"type": "string"}),
    ("integer", {"type": "integer"}),
    ("number", {"type": "number"}),
    ("boolean", {"type": "boolean"}),
    ("null", {"type": "null"}),
    ("types", {"type": ["string", "integer", "null"]}),
    ("enum of strings", {"enum": ["red", "green", "blue"]}),
    ("enum of kinds", {"enum": [1, "one", None, True, [1, 2], {"a": 1}]}),
    ("enum with escapes", {"enum": ['say "hi"', "back\\slash", "line\nbreak", "snow ☃"]}),
    ("const string", {"const": "fixed"}),
    ("const object", {"const": {"a": [1, None, "x"], "b": {}}}),
    ("const number", {"const": 3.5}),
    ("person", _PERSON),
    ("people", {"type": "array", "items": _PERSON, "minItems": 1, "maxItems": 3}),
    ("nested", _object(a=_object(b=_object(c={"type": "boolean"})))),
    ("optional", _optional(a={"type": "integer"}, b={"type": "string"}, c={"type": "null"})),
    ("no properties", {"type": "object", "properties": {}, "additionalProperties": False}),
    ("map of integers", {"type": "object", "additionalProperties": {"type": "integer"}}),
    ("map beside properties", {"properties": {"id": {"type": "integer"}}, "required": ["id"], "type": "object"}),
    ("required undeclared", {"type": "object", "required": ["x", "y"]}),
    ("pattern properties", {"type": "object", "patternProperties": {"^n_": {"type": "integer"}}}),
    ("at least one property", {"type": "object", "minProperties": 1, "additionalProperties": {"type": "null"}}),
    ("anyOf", {"anyOf": [{"type": "integer"}, {"type": "boolean"}]}),
    ("anyOf objects", {"anyOf": [_object(kind={"const": "a"}, x={"type": "integer"}), _object(kind={"const": "b"})]}),
    ("anyOf with sibling", {"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}]}),
    ("oneOf disjoint", {"oneOf": [{"type": "string"}, {"type": "integer"}]}),
    ("oneOf constants", {"oneOf": [{"const": "a"}, {"const": "b"}, {"const": "c"}]}),
    ("allOf", {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 20}]}),
    ("allOf objects", {"allOf": [{"type": "object", "properties": {"a": {"type": "null"}}}, {"required": ["a"]}]}),
    ("reference", {"$defs": {"p": {"type": "boolean"}}, "type": "array", "items": {"$ref": "#/$defs/p"}}),
    ("reference with sibling", {"$defs": {"n": {"type": "integer"}}, "$ref": "#/$defs/n", "minimum": 5}),
    ("definitions", {"definitions": {"p": {"type": "null"}}, "$ref": "#/definitions/p"}),
    ("reference to the root", {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}),
    ("tree", {"$defs": {"node": _TREE}, "$ref": "#/$defs/node"}),
    (
        "mutual recursion",
        {
            "$defs": {
                "even": {"anyOf": [{"type": "null"}, _object(odd={"$ref": "#/$defs/odd"})]},
                "odd": _object(even={"$ref": "#/$defs/even"}),
            },
            "$ref": "#/$defs/even",
        },
    ),
    ("pointer with escapes", {"$defs": {"a/b~c": {"type": "boolean"}}, "$ref": "#/$defs/a~1b~0c"}),
    ("pattern", {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"}),
    ("pattern unanchored", {"type": "string", "pattern": "cat|dog", "maxLength": 40}),
    ("pattern alternatives", {"type": "string", "pattern": "^(yes|no|may ?be)$"}),
    ("pattern with escapes", {"type": "string", "pattern": '^"\\\\\\d+\\w\\s$'}),
    ("length", {"type": "string", "minLength": 3, "maxLength": 5}),
    ("minimum length", {"type": "string", "minLength": 12}),
    ("date-time", {"type": "string", "format": "date-time"}),
    ("date", {"type": "string", "format": "date"}),
    ("time", {"type": "string", "format": "time"}),
    ("duration", {"type": "string", "format": "duration"}),
    ("email", {"type": "string", "format": "email"}),
    ("hostname", {"type": "string", "format": "hostname"}),
    ("uri", {"type": "string", "format": "uri"}),
    ("ipv4", {"type": "string", "format": "ipv4"}),
    ("ipv6", {"type": "string", "format": "ipv6"}),
    ("uuid", {"type": "string", "format": "uuid"}),
    ("range", {"type": "integer", "minimum": -5, "maximum": 125}),
    ("open range", {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
    ("multiple", {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 700}),
    ("large integers", {"type": "integer", "minimum": 1000000000000}),
    ("items count", {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 4}),
    ("tuple", {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False}),
    (
        "tuple and rest",
        {"type": "array", "prefixItems": [{"const": "head"}], "items": {"type": "integer"}, "minItems": 1},
    ),
    ("matrix", {"type": "array", "items": {"type": "array", "items": {"type": "number"}, "maxItems": 3}}),
    ("annotations", {"title": "T", "description": "d", "default": 1, "examples": [1], "type": "integer"}),
    ("draft and id", {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "boolean"}),
    ("without effect", {"type": "array", "items": {"type": "null"}, "uniqueItems": False, "if": {"maxItems": 1}}),
    ("unknown keyword", {"type": "boolean", "x-order": 3, "nullable": False}),
    ("unicode names", _object(**{"größe": {"type": "integer"}, "名前": {"type": "boolean"}, "": {"type": "null"}})),
]
"""Every one is compiled, and every output is valid."""

BROKEN_SCHEMAS: list[tuple[str, Any, str, str]] = [
    ("false", False, "", "false allows no value"),
    ("number", 5, "", "5 is not a JSON schema"),
    ("text", "x", "", '"x" is not a JSON schema'),
    ("list", [], "", "[] is not a JSON schema"),
    ("null", None, "", "null is not a JSON schema"),
    ("no type of that name", {"type": "strnig"}, "", "strnig"),
    ("not", {"properties": {"a": {"not": {"type": "null"}}}}, "/properties/a", "'not' is not supported"),
    ("unique", {"anyOf": [True, {"uniqueItems": True}]}, "/anyOf/1", "'uniqueItems' is not supported"),
    ("if", {"if": {}, "then": {"type": "null"}}, "", "'if' is not supported"),
    ("dependencies", {"items": {"dependentRequired": {"a": ["b"]}}}, "/items", "'dependentRequired'"),
    ("contains", {"$defs": {"a/b": {"contains": {}}}}, "/$defs/a~1b", "'contains'"),
    ("allOf beside a format", {"type": "string", "format": "date-time", "allOf": 5}, "/allOf", "5 is not a list"),
    ("allOf null beside a format", {"format": "email", "allOf": None}, "/allOf", "null is not a list"),
    ("number beyond all", {"minimum": 10**400}, "", "cannot be read"),
    ("count beyond all", {"items": {"maxLength": 10**400}}, "", "cannot be read"),
    ("constant beyond all", {"const": [10**400]}, "", "cannot be read"),
    ("property is no schema", {"properties": {"a": 3}}, "/properties/a", "3 is not a JSON schema"),
    ("properties is no object", {"properties": []}, "/properties", "not an object of schemas"),
    ("anyOf is no list", {"anyOf": {}}, "/anyOf", "not a list of schemas"),
    ("remote reference", {"items": {"$ref": "https://example.com/s"}}, "/items", "leads out of the schema"),
    ("dangling reference", {"properties": {"a": {"$ref": "#/$defs/none"}}}, "/properties/a", "/$defs/none"),
    ("unknown format", {"properties": {"a": {"type": "string", "format": "colour"}}}, "/properties/a", "colour"),
    ("minProperties", {"type": "object", "minProperties": 2}, "", "'minProperties' 2 is not supported"),
    ("lookahead", {"type": "string", "pattern": "(?=a)b"}, "", "look-around"),
    (
        "impossible range",
        {"type": "array", "items": {"type": "integer", "minimum": 5, "maximum": 3}, "minItems": 1},
        "",
        "unsatisfiable",
    ),
    ("empty enum", {"enum": []}, "", "Unsatisfiable"),
    ("overlapping oneOf", {"oneOf": [{"type": "number"}, {"type": "integer"}]}, "", "oneOf"),
]
"""Schema, the path that the error names, and part of its message."""
