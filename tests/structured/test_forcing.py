"""What a grammar forces at once is short, whatever it says; so is the search for an ending: others share the step."""

from __future__ import annotations

import json
import random
from typing import Any

import numpy as np
import pytest

from jan_ort.structured.closing import MAX_ENDING, JsonPosition
from jan_ort.structured.compiler import CompiledGrammar
from jan_ort.structured.forcing import MAX_FORCED
from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.forced_text import forces_much, longest_literal
from jan_ort.structured.json_schema.schema_checks import checked_schema
from tests.structured.walking import Model

SPACING = {"x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}}
LONG = "".join(random.Random(1).choice("abcdefgh ij") for _ in range(100_000))


def objects(**properties: Any) -> dict[str, Any]:
    required = list(properties)
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


SCHEMAS: dict[str, dict[str, Any]] = {
    "a long value": {"const": LONG},
    "a long value in an object": objects(a={"const": LONG}),
    "two long values": {"enum": [f"a{LONG}", f"b{LONG}"]},
    "a long name": objects(**{LONG[:50_000]: {"type": "null"}}),
    "a long pattern": {"type": "string", "pattern": f"^{LONG[:9000]}$"},
    "a count": {"type": "string", "pattern": "^a{4000}$"},
    "a pattern and a length": {"type": "string", "allOf": [{"pattern": "^a*$"}, {"minLength": 4000}]},
    "itself": objects(a={"$ref": "#"}),
    "itself beside a value": objects(a={"const": "x"}, b={"$ref": "#"}),
    "itself in a list": {"type": "array", "items": {"$ref": "#"}, "minItems": 1, "maxItems": 1},
    "each other": {"$defs": {"a": objects(b={"$ref": "#/$defs/b"}), "b": objects(a={"$ref": "#/$defs/a"})},
                   "$ref": "#/$defs/a"},
    "doubling": {"$defs": {str(at): objects(a={"$ref": f"#/$defs/{at + 1}"}, b={"$ref": f"#/$defs/{at + 1}"})
                           for at in range(12)} | {"12": {"const": "end"}}, "$ref": "#/$defs/0"},
    "many values": objects(**{f"p{at}": {"const": f"v{at}"} for at in range(1000)}),
    "many items": {"type": "array", "items": {"const": "x"}, "minItems": 4000, "maxItems": 4000},
}  # fmt: skip
GBNF = {
    "a long literal": f'root ::= [xy] "{LONG[:9000]}"',
    "a long choice": f'root ::= "x" | "y" "{LONG[:9000]}"',
    "a count": 'root ::= [xy] ("ab"){4000}',
}


def compiled(name: str, how: str, model: Model) -> CompiledGrammar:
    if how == "gbnf":
        return model.compiler.gbnf(GBNF[name])
    if how == "json":
        return model.compiler.checked_schema(SCHEMAS[name])
    return model.compiler.lark(f"start: %json {json.dumps(SCHEMAS[name] | SPACING)}")


@pytest.mark.parametrize(
    ("name", "how"), [(name, how) for how in ("json", "tools") for name in SCHEMAS] + [(name, "gbnf") for name in GBNF]
)
def test_no_grammar_forces_much_at_once(name: str, how: str, model: Model) -> None:
    constraint, rng, longest = compiled(name, how, model).start(), random.Random(1), 0

    for _ in range(40):
        if constraint.is_complete:
            break
        constraint.accept(rng.choice(np.flatnonzero(constraint.allowed()).tolist()))
        forced = constraint.forced()
        longest = max(longest, sum(len(model.tokenizer.token_bytes(each)) for each in forced))
        for token_id in forced:
            constraint.accept(token_id)

    assert longest <= MAX_FORCED


@pytest.mark.parametrize("how", ["json", "tools"])
def test_what_is_usual_is_forced(how: str, model: Model) -> None:
    schema = objects(temperature_in_celsius={"type": "integer"}, unit={"enum": ["celsius and nothing else"]})
    text = json.dumps(schema | SPACING)
    grammar = model.compiler.json_schema(schema) if how == "json" else model.compiler.lark(f"start: %json {text}")
    constraint = grammar.start()

    for byte in b'{"te':
        constraint.accept(model.tokenizer.encode(chr(byte))[0])

    assert len(constraint.forced()) > 3
    assert not forces_much(f"start: %json {text}", MAX_FORCED)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
        {"type": "string", "pattern": "^[^@]{1,64}@[^@]{1,63}$", "maxLength": 254},
        {"anyOf": [{"const": f"{at} {LONG[:100]}"} for at in range(100)]},
        objects(**{f"property {at}": {"type": "string"} for at in range(100)}),
    ],
)
def test_an_ordinary_schema_keeps_its_forced_text(schema: dict[str, Any]) -> None:
    assert longest_literal(schema) <= MAX_FORCED


def test_a_text_that_looks_like_a_schema_forces_nothing() -> None:
    assert forces_much('start: "%json {not one"', MAX_FORCED)


class Counting:
    """A matcher, with all its copies, that counts the tokens that it is given."""

    def __init__(self, matcher: Any) -> None:
        self._matcher, self.num_tokens = matcher, 0

    def deep_copy(self) -> Counting:
        self._matcher = self._matcher.deep_copy()
        return self

    def consume_tokens(self, token_ids: list[int]) -> bool:
        self.num_tokens += len(token_ids)
        return bool(self._matcher.consume_tokens(token_ids))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._matcher, name)


@pytest.mark.parametrize("name", ["itself", "itself beside a value", "itself in a list", "each other", "many items"])
def test_a_search_for_an_ending_that_is_not_there_is_given_up(name: str, model: Model) -> None:
    grammar = model.compiler.checked_schema(SCHEMAS[name])
    matcher = Counting(grammar.start()._matcher)
    closer = model.compiler._closer

    found = closer.ending(matcher, JsonPosition(), 100_000)  # type: ignore[arg-type]

    assert found is None
    assert matcher.num_tokens <= MAX_ENDING


def test_a_search_that_has_failed_is_not_repeated_for_the_drawn_token(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraint = model.compiler.checked_schema(SCHEMAS["itself"]).start()
    searches: list[int] = []
    monkeypatch.setattr(type(model.compiler._closer), "ending", lambda *args: searches.append(1))
    constraint._bound = 10_000

    constraint.closing(1000)
    token_id = int(np.flatnonzero(constraint.allowed())[0])

    assert constraint.settle(token_id, 1000) == token_id
    assert len(searches) == 1


@pytest.mark.parametrize("name", ["itself", "itself beside a value", "itself in a list", "each other"])
def test_a_schema_whose_values_never_end_is_refused_at_once(name: str) -> None:
    with pytest.raises(SchemaError, match="each holds another without end"):
        checked_schema(SCHEMAS[name])


CHAIN = {f"r{at}": {"anyOf": [{"$ref": f"#/$defs/r{at + 1}"}]} for at in range(300)}


@pytest.mark.parametrize(
    "schema",
    [
        objects(a={"anyOf": [{"$ref": "#"}, {"type": "null"}]}),
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": []},
        {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
            "required": ["children"],
        },
        {"type": ["object", "null"], "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$defs": {"a": objects(b={"$ref": "#/$defs/b"}), "b": {"type": "string"}}, "$ref": "#/$defs/a"},
        {"$defs": CHAIN | {"r300": {"type": "null"}}, "$ref": "#/$defs/r0"},
        {"$defs": dict(reversed([*CHAIN.items(), ("r300", {"type": "null"})])), "$ref": "#/$defs/r0"},
    ],
)
def test_a_schema_that_ends_somewhere_is_taken(schema: dict[str, Any]) -> None:
    assert checked_schema(schema) == schema


R = {"$ref": "#"}
NODE = {"$ref": "#/$defs/n"}
NODES = {"n": {"type": "array", "minItems": 1, "items": NODE}}
ENDLESS: dict[str, dict[str, Any]] = {
    "items": {"type": ["array"], "minItems": 2, "items": R},
    "a place": {"type": "array", "prefixItems": [{"type": "string"}, R], "minItems": 2},
    "contains": {"type": "array", "contains": R},
    "what is not named": {"type": "object", "required": ["a"], "additionalProperties": R},
    "some member": {"type": "object", "minProperties": 1, "additionalProperties": R},
    "either container": objects(a=R) | {"type": ["array", "object"], "minItems": 1, "items": R},
    "all of": {"allOf": [{"type": "object"}, {"required": ["a"]}, {"properties": {"a": R}}]},
    "any of": {"anyOf": [{"type": "array", "minItems": 1, "items": R}, objects(a=R)]},
    "one of": {"oneOf": [{"type": "array", "minItems": 1, "items": R}, objects(a=R)]},
    "what is required beside choices": {"type": "object", "required": ["a"], "anyOf": [{"properties": {"a": R}}]},
    "a member": {**objects(n=NODE, s={"type": "string"}), "$defs": NODES},
    "a reference and more": {**NODE, "minItems": 1, "$defs": {"n": {"type": "array", "items": R}}},
    "then": objects(a={}) | {"if": {"required": ["a"]}, "then": {"required": ["b"]}, "additionalProperties": R},
    "not": {"type": "array", "items": R, "not": {"maxItems": 0}},
    "an anchor": {"$anchor": "me", "type": "array", "minItems": 1, "items": {"$ref": "#me"}},
}  # fmt: skip
FINITE: dict[str, dict[str, Any]] = {
    "another type": {"minItems": 1, "items": R, "required": ["a"], "properties": {"a": R}},
    "an empty one": {"type": "array", "items": R},
    "another choice": {"anyOf": [NODE, {"type": "string"}], "$defs": NODES},
    "a member left out": {"type": "object", "properties": {"n": NODE}, "$defs": NODES},
    "not contained": {"type": "array", "contains": R, "minContains": 0},
    "a member of another name": {"type": "object", "minProperties": 1, "properties": {"a": R}},
    "nobody's": {"type": "string", "$defs": NODES},
}


@pytest.mark.parametrize("name", ENDLESS)
def test_whatever_demands_another_one_inside_is_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="each holds another without end"):
        checked_schema(ENDLESS[name])


@pytest.mark.parametrize("name", FINITE)
def test_what_has_another_way_is_taken(name: str) -> None:
    checked_schema(FINITE[name])


NO_WAY: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "object", "properties": {"n": NODE}, "$defs": NODES}, "{}", '{"n": ['),
    ({"anyOf": [NODE, {"type": "array", "items": {"const": 1}}], "$defs": NODES}, "[1]", "[["),
    ({"type": "array", "items": NODE, "$defs": NODES}, "[]", "[["),
    ({"type": "object", "additionalProperties": NODE, "$defs": NODES}, "{}", '{"a": ['),
]


@pytest.mark.parametrize(("schema", "whole", "begun"), NO_WAY)
def test_nothing_is_begun_that_never_ends(model: Model, schema: dict[str, Any], whole: str, begun: str) -> None:
    compiled = model.compiler.json_schema(schema)

    assert accepts(compiled, model, whole)
    assert not begins(compiled, model, begun)


def begins(compiled: CompiledGrammar, model: Model, text: str) -> bool:
    """Whether a text of the grammar may begin with this one."""
    constraint = compiled.start()
    for token_id in model.compiler.tokens_of([text]):
        if not constraint.takes(token_id):
            return False
        constraint.accept(token_id)
    return True


def accepts(compiled: CompiledGrammar, model: Model, text: str) -> bool:
    """Whether this is a text of the grammar."""
    constraint = compiled.start()
    for token_id in model.compiler.tokens_of([text]):
        constraint.accept(token_id)
    return constraint.is_accepting()
