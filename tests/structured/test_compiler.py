"""Compilation within bounds of time and stack, whatever is asked for."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jan_ort.structured.grammar_errors import ConstraintFailed, GrammarError, SchemaError
from jan_ort.structured.grammar_pool import GrammarPool
from tests.structured.walking import Model, read

MOST_SECONDS = 15.0
"""A compilation ends, or is refused, within this; the slowest took 2.7 s on two busy cores."""


def _chain(length: int, body: str) -> str:
    rules = [f"r{n} ::= " + body.replace("NEXT", f"r{n + 1}") for n in range(length)]
    return "\n".join(["root ::= r0", *rules, f'r{length} ::= "z"'])


HEAVY_GRAMMARS = {
    "chain of rules": _chain(1990, '"a" NEXT | NEXT "x"'),
    "chain in a cycle": _chain(1990, '"(" root ")" | NEXT'),
    "doubling": _chain(30, "NEXT NEXT"),
    "doubling in a cycle": _chain(30, 'NEXT NEXT | "(" root ")"'),
    "large count": 'root ::= "(" root? ")" | [a-z]{1,100000}',
    "nested counts": "root ::= ((([a-z]{40}){40}){40})",
    "nested counts in a cycle": 'root ::= "(" root? ")" | ((([a-z]{40})?{40})?{40})',
    "nested stars": "root ::= " + "(" * 60 + '"a"' + ")*" * 60,
    "many words": "root ::= " + " | ".join(f'"word{n}"' for n in range(15_000)),
    "many words in a cycle": 'root ::= "(" root ")" | ' + " | ".join(f'"word{n}"' for n in range(15_000)),
    "many optional words": "root ::= " + " ".join(f'"w{n}"?' for n in range(2_000)),
    "hard to determinise": 'root ::= [ab]* "a" ' + "[ab] " * 100,
    "many characters": "root ::= [" + "".join(map(chr, range(0x4E00, 0x8E00, 2))) + "]+",
}


@pytest.mark.parametrize("name", HEAVY_GRAMMARS)
async def test_a_heavy_grammar_is_served_or_refused_soon(name: str, grammars: GrammarPool) -> None:
    started = time.process_time()

    try:
        constraint = (await grammars.gbnf(HEAVY_GRAMMARS[name])).start()
        for _ in range(10):
            constraint.accept(int(constraint.allowed().argmax()))
    except (GrammarError, ConstraintFailed) as error:
        refused = str(error)
    else:
        refused = ""

    assert time.process_time() - started < MOST_SECONDS, refused


def _nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        schema = {"type": "array", "items": schema}
    return schema


def _references(count: int, depth: int = 0) -> dict[str, Any]:
    definitions: dict[str, Any] = {}
    for number in range(count):
        schema: dict[str, Any] = {"$ref": f"#/$defs/d{number + 1}"}
        for _ in range(depth):
            schema = {"anyOf": [{"type": "array", "items": schema}, {"type": "null"}]}
        definitions[f"d{number}"] = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return {"$ref": "#/$defs/d0", "$defs": definitions | {f"d{count}": {"type": "integer"}}}


HEAVY_SCHEMAS: dict[str, Any] = {
    "deep": _nested(60),
    "many references": _references(400),
    "deep references": _references(35, depth=15),
    "exponential anyOf": {
        "allOf": [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(12)],
        "type": "object",
    },
    "many properties": {"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(2000)}},
    "many patterns": {"properties": {f"p{n}": {"pattern": "^(a|b)*a(a|b){20}$"} for n in range(50)}, "type": "object"},
    "large enum": {"enum": [f"value {n}" for n in range(15_000)]},
    "long strings": {"type": "string", "minLength": 4000},
    "many items": {"type": "array", "minItems": 4000, "items": {"type": "array", "minItems": 4000}},
    "nested counts": {"type": "string", "pattern": "^((a{40}){40}){40}$"},
}


@pytest.mark.parametrize("name", HEAVY_SCHEMAS)
async def test_a_heavy_schema_is_served_or_refused_soon(name: str, grammars: GrammarPool) -> None:
    started = time.process_time()

    try:
        constraint = (await grammars.json_schema(HEAVY_SCHEMAS[name])).start()
        for _ in range(10):
            constraint.accept(constraint.settle(int(constraint.allowed().argmax()), 100))
    except (SchemaError, ConstraintFailed) as error:
        refused = str(error)
    else:
        refused = ""

    assert time.process_time() - started < MOST_SECONDS, refused


@pytest.mark.parametrize(
    "schema",
    [_nested(70), _nested(5000), _references(3000), {"enum": ["x" * 600_000]}, {"pattern": "(([a)]{1000}){10}){1000}"}],
)
def test_a_schema_beyond_the_limits_is_refused(schema: Any, model: Model) -> None:
    with pytest.raises(SchemaError, match=r"(are|is) allowed"):
        model.compiler.json_schema(schema)


async def test_what_is_compiled_in_a_large_stack_serves_in_a_small_one(model: Model, grammars: GrammarPool) -> None:
    constraint = (await grammars.gbnf('root ::= "a" root "b" | "c"')).start()

    assert read(model, constraint, "aaacbbb")
    assert constraint.is_complete
