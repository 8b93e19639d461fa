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


OTHER_FORMATS = (
    *("json-pointer", "relative-json-pointer", "uri-reference", "iri-reference", "uri-template", "regex", "iri"),
    *("idn-email", "idn-hostname"),
)
_A_OR_B = {"enum": ["a", "b", "c"]}
_CAT = _object(kind={"const": "cat"}, lives={"type": "integer", "minimum": 1, "maximum": 9})
_DOG = _object(kind={"const": "dog"}, good={"type": "boolean"})
_PETS = {"$defs": {"cat": _CAT, "dog": _DOG}, "oneOf": [{"$ref": "#/$defs/cat"}, {"$ref": "#/$defs/dog"}]}
_PAIR = {"a": {"type": "integer"}, "b": {"type": "boolean"}}

SPELLED_OUT: list[tuple[str, Any]] = [
    ("not a type", {"not": {"type": ["object", "array", "number"]}}),
    ("not some texts", {"type": "string", "not": {"enum": ["", "a", "ab", "-", "é"]}, "maxLength": 4}),
    ("not some numbers", {"type": "integer", "minimum": 0, "maximum": 9, "not": {"enum": [0, 3, 4, 9]}}),
    ("not a property", {"type": "object", "properties": _PAIR, "not": {"required": ["b"]}}),
    ("not both", _optional(**_PAIR) | {"not": {"required": ["a", "b"]}}),
    ("not a reference", {"$defs": {"n": {"minimum": 3}}, "type": "integer", "not": {"$ref": "#/$defs/n"}}),
    ("not anyOf", {"type": "integer", "not": {"anyOf": [{"minimum": 3}, {"const": 1}]}}),
    ("not not", {"not": {"not": {"type": "boolean"}}}),
    (
        "if, then and else",
        _optional(kind=_A_OR_B, x={"type": "null"}, y={"type": "null"})
        | {"if": {"properties": {"kind": {"const": "a"}}, "required": ["kind"]}}
        | {"then": {"required": ["x"]}, "else": {"required": ["y"]}},
    ),
    ("if without else", _optional(**_PAIR) | {"if": {"required": ["a"]}, "then": {"required": ["b"]}}),
    ("required with another", _optional(**_PAIR) | {"dependentRequired": {"a": ["b"]}}),
    (
        "schema with a property",
        _optional(**_PAIR) | {"dependentSchemas": {"a": {"properties": {"b": {"const": True}}}}},
    ),
    ("dependencies", _optional(**_PAIR) | {"dependencies": {"a": ["b"], "b": {"required": ["a"]}}}),
    ("contains", {"type": "array", "items": _A_OR_B, "contains": {"const": "b"}, "maxItems": 4}),
    ("contains several", {"type": "array", "items": {"type": "integer"}, "contains": {"minimum": 5}, "minContains": 2}),
    ("contains at most", {"type": "array", "items": _A_OR_B, "contains": {"const": "b"}, "maxContains": 2}),
    (
        "contains none",
        {"type": "array", "items": _A_OR_B, "contains": {"const": "b"}, "minContains": 0, "maxContains": 1},
    ),
    ("contains after a tuple", {"type": "array", "prefixItems": [{"type": "null"}], "contains": {"const": 1}}),
    (
        "names listed",
        {"type": "object", "propertyNames": {"enum": ["a", "b"]}, "additionalProperties": {"type": "null"}},
    ),
    ("names by pattern", {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,3}$"}}),
    (
        "names by length",
        {"type": "object", "propertyNames": {"maxLength": 3, "minLength": 1}, "properties": {"long": {}}},
    ),
    ("names of texts", {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {}}),
    ("names by reference", {"$defs": {"n": _A_OR_B}, "type": "object", "propertyNames": {"$ref": "#/$defs/n"}}),
    ("no names", {"type": "object", "propertyNames": False}),
    ("unique constants", {"type": "array", "items": _A_OR_B, "uniqueItems": True}),
    ("unique, some", {"type": "array", "items": _A_OR_B, "uniqueItems": True, "minItems": 1, "maxItems": 2}),
    ("unique, of six", {"type": "array", "items": {"enum": [*range(6)]}, "uniqueItems": True}),
    ("unique booleans", {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}),
    ("unique digits", {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 4}, "uniqueItems": True}),
    (
        "unique by reference",
        {"$defs": {"n": _A_OR_B}, "type": "array", "items": {"$ref": "#/$defs/n"}, "uniqueItems": True},
    ),
    ("unique tuple", {"prefixItems": [{"type": "boolean"}] * 2, "items": False, "uniqueItems": True, "type": "array"}),
    ("one item is unique", {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "maxItems": 1}),
    ("oneOf references", _PETS),
    ("oneOf required", _optional(**_PAIR) | {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
    ("oneOf ranges", {"type": "integer", "oneOf": [{"maximum": 3}, {"minimum": 4}]}),
    ("oneOf overlapping ranges", {"type": "integer", "oneOf": [{"maximum": 5}, {"minimum": 3}]}),
    ("oneOf lengths", {"type": "string", "oneOf": [{"maxLength": 2}, {"minLength": 4, "maxLength": 6}]}),
    ("oneOf closed objects", {"oneOf": [_object(a={"type": "null"}), _object(b={"type": "null"})]}),
    ("oneOf a text or none", {"oneOf": [{"type": "null"}, {"enum": ["a", "b"]}, {"type": "integer"}]}),
    ("unevaluated", {"type": "object", "allOf": [{"properties": _PAIR}], "unevaluatedProperties": False}),
    (
        "unevaluated beside alternatives",
        {"type": "object", "properties": {"c": {}}, "anyOf": [{"properties": {"a": {"const": 1}}, "required": ["a"]}]}
        | {"unevaluatedProperties": {"type": "null"}},
    ),
    (
        "unevaluated by reference",
        {"$defs": {"base": {"type": "object", "properties": _PAIR}}, "$ref": "#/$defs/base"}
        | {"properties": {"c": {"type": "null"}}, "unevaluatedProperties": False},
    ),
    ("unevaluated items", {"type": "array", "allOf": [{"prefixItems": [{"const": 1}]}], "unevaluatedItems": False}),
    (
        "tuple as it was",
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "array",
            "items": [{"const": 1}, {"type": "null"}],
            "additionalItems": False,
        },
    ),
    ("anchor", {"$defs": {"a": {"$anchor": "n", "type": "integer"}}, "type": "array", "items": {"$ref": "#n"}}),
    (
        "identifiers",
        {"$id": "https://example.test/a", "$defs": {"b": {"$id": "b", "type": "boolean"}}, "type": "array"}
        | {"items": {"$ref": "https://example.test/b"}},
    ),
    (
        "reference below a oneOf",
        _object(a={"oneOf": [{"const": 1}, {"const": 2}]}, b={"$ref": "#/properties/a/oneOf/1"}),
    ),
    ("dynamic reference", {"$defs": {"a": {"$dynamicAnchor": "n", "type": "null"}}, "items": {"$dynamicRef": "#n"}}),
    *((name, {"type": "string", "format": name, "maxLength": 40}) for name in OTHER_FORMATS),
]
"""What the matcher has no keyword for, said in those that it has."""

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
    ("unknown format", _object(p={"type": "string", "format": "path"}, q={"format": "password", "type": "string"})),
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
    ("not", {"properties": {"a": {"not": {"pattern": "a"}}}}, "/properties/a", "'not' is not supported"),
    ("unique", {"anyOf": [True, {"uniqueItems": True}]}, "/anyOf/1", "'uniqueItems' is not supported"),
    ("if", {"if": {"pattern": "a"}, "then": {"type": "null"}}, "", "'if' is not supported"),
    ("dependencies", {"items": {"dependentRequired": {"a": "b"}}}, "/items", "'dependentRequired'"),
    ("contains", {"$defs": {"a/b": {"contains": {}, "minContains": 65}}}, "/$defs/a~1b", "items to contain"),
    ("unique texts", {"items": {"uniqueItems": True, "items": {"type": "string"}}}, "/items", "'uniqueItems'"),
    ("names", {"propertyNames": {"format": "email"}}, "/propertyNames", "cannot be held to 'format'"),
    ("dynamic reference", {"items": {"$recursiveRef": "#"}}, "/items", "a dynamic reference"),
    ("anchor that is nowhere", {"items": {"$ref": "#none"}}, "/items", "nothing is called '#none'"),
    ("reference is no text", {"items": {"$ref": ["a"]}}, "/items", "'$ref' is"),
    ("required is no list", {"$defs": {"a": {"required": 5}}}, "/$defs/a", "'required' is 5; give a list of names"),
    ("allOf beside a format", {"type": "string", "format": "date-time", "allOf": 5}, "/allOf", "5 is not a list"),
    ("property that is null", {"properties": {"a": None}}, "/properties/a", "null is not a JSON schema"),
    ("reference to itself", {"$ref": "#"}, "", "lead back to it"),
    ("reference among choices", {"anyOf": [{"$ref": "#"}, {"type": "null"}]}, "", "lead back to it"),
    ("allOf of itself", {"type": "object", "allOf": [{"$ref": "#"}]}, "", "lead back to it"),
    ("contrary of itself", {"not": {"$ref": "#"}}, "", "lead back to it"),
    (
        "references in a circle",
        {"properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "/properties/a",
        "without going into a property or an item",
    ),
    ("step of nothing", {"multipleOf": 0}, "", "'multipleOf' is 0; give a number above 0"),
    ("step backwards", {"multipleOf": -1}, "", "'multipleOf' is -1; give a number above 0"),
    ("no number within limits", {"type": "number", "minimum": 5, "exclusiveMaximum": 5}, "", "Unsatisfiable"),
    ("number beyond all", {"minimum": 10**400}, "", "cannot be read"),
    ("count beyond all", {"items": {"maxLength": 10**400}}, "", "cannot be read"),
    (
        "constant that is no double",
        {"items": {"enum": [1, 2**53 + 1]}},
        "/items",
        "9007199254740993 does not fit a double",
    ),
    ("constant beyond all", {"const": [10**400]}, "", "cannot be read"),
    ("property is no schema", {"properties": {"a": 3}}, "/properties/a", "3 is not a JSON schema"),
    ("properties is no object", {"properties": [{}]}, "/properties", "not an object of schemas"),
    ("anyOf is no list", {"anyOf": {}}, "/anyOf", "not a list of schemas"),
    ("remote reference", {"items": {"$ref": "https://example.com/s"}}, "/items", "leads out of the schema"),
    ("dangling reference", {"properties": {"a": {"$ref": "#/$defs/none"}}}, "/properties/a", "/$defs/none"),
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
