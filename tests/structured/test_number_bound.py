"""Numbers end, whatever the model would like: of integers, numbers, times and periods, in every kind of grammar."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import jsonschema_rs
import numpy as np
import pytest

from jan_ort.structured.compiler import CompiledGrammar
from jan_ort.structured.grammar_errors import SchemaError
from tests.structured.walking import Model, read, walk

PREFERENCES = ("9876543210.e", "0.1", "-9e+", "1.", "-0.e", "12e5", "9", "0", ".5e-9")
INTEGERS: list[Any] = [
    {"type": "integer"},
    {"type": "integer", "minimum": 10**6},
    {"type": "integer", "maximum": -3},
    {"type": "integer", "multipleOf": 7},
    {"type": ["integer", "null"], "multipleOf": 1000},
    {"type": "integer", "multipleOf": 99.99, "maximum": -1e10},
    {"type": "integer", "multipleOf": 65536, "minimum": 0, "maximum": 10**15},
    {"type": "integer", "multipleOf": 123456789},
    {"multipleOf": 10**6, "minimum": 1, "type": ["number", "null"]},
]
NUMBERS: list[Any] = [
    {"type": "number"},
    {},
    {"type": ["number", "null"]},
    {"type": "number", "minimum": 0},
    {"type": "number", "maximum": 0},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "multipleOf": 0.01},
    {"anyOf": [{"type": "integer"}, {"type": "number"}]},
    {"type": "number", "maximum": 10, "multipleOf": 1000},
    {"type": "number", "multipleOf": 99.99},
    {"type": "number", "multipleOf": 1e-15},
    {"type": "number", "exclusiveMinimum": 0.5},
    {"type": "number", "exclusiveMaximum": -0.5, "multipleOf": 0.25},
]
LIMITS = (0, 1, -1, 0.5, 0.3, 0.01, 1e-9, 10, 1000, -7, 99.99, 2**53, 0.9999999999999999, 1e10)
STEPS = (1, 0.5, 0.01, 0.1, 3, 7, 1000, 99.99, 1e-5, 65536, 123456789)


def preferred(model: Model, grammar: CompiledGrammar, wanted: str, begun: str = "", limit: int = 200) -> str:
    """Return the text of a model that takes the first byte of ``wanted`` that it may, and else ends as it can."""
    constraint = grammar.start()
    assert read(model, constraint, begun)
    text = begun
    while not constraint.is_complete and len(text) < limit:
        allowed = constraint.allowed()
        byte = next((each for each in wanted.encode() if allowed[each]), int(np.flatnonzero(allowed)[0]))
        if byte > 127:
            break
        constraint.accept(byte)
        text += chr(byte)
    return text


@pytest.mark.parametrize("wanted", PREFERENCES)
@pytest.mark.parametrize("schema", INTEGERS, ids=str)
def test_an_integer_fits_64_bits(schema: Any, wanted: str, model: Model) -> None:
    text = preferred(model, model.compiler.json_schema(schema), wanted)

    assert -(2**63) <= json.loads(text) < 2**63


@pytest.mark.parametrize("wanted", PREFERENCES)
@pytest.mark.parametrize("schema", NUMBERS, ids=str)
def test_a_number_has_17_significant_digits_and_a_double_holds_it(schema: Any, wanted: str, model: Model) -> None:
    text = preferred(model, model.compiler.json_schema(schema), wanted)

    digits = text.lower().partition("e")[0].replace(".", "").lstrip("-0")
    assert len(digits) <= 17
    assert len(text) <= 30
    assert abs(json.loads(text)) < float("inf")


def _limited(rng: random.Random) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": rng.choice(["number", "integer"])}
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        schema |= {name: rng.choice(LIMITS)} if rng.random() < 0.4 else {}
    return schema | ({"multipleOf": rng.choice(STEPS)} if rng.random() < 0.4 else {})


@pytest.mark.parametrize("seed", range(60))
def test_a_number_keeps_all_its_limits(seed: int, model: Model) -> None:
    rng = random.Random(seed)
    schema = _limited(rng)
    try:
        grammar = model.compiler.json_schema(schema)
    except SchemaError:
        return  # mostly since there is no such number
    written = [walk(model, grammar, rng, 80).text for _ in range(4)]
    written += [preferred(model, grammar, wanted) for wanted in PREFERENCES]

    assert [text for text in written if not jsonschema_rs.is_valid(schema, json.loads(text))] == []


@pytest.mark.parametrize(("schema", "value"), [(INTEGERS[0], 2**63 - 1), (INTEGERS[0], -(2**63)), (NUMBERS[0], 1e308)])
def test_what_fits_is_allowed(schema: Any, value: float, model: Model) -> None:
    assert read(model, model.compiler.json_schema(schema).start(), str(value).replace("e+", "e"))


@pytest.mark.parametrize(
    "grammar",
    [
        "start: %json {}",
        'start: "call " %json {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]}',
    ],
)
def test_numbers_of_a_call_end_too(grammar: str, model: Model) -> None:
    begun = "" if grammar.endswith("{}") else 'call {"a":'

    text = preferred(model, model.compiler.lark(grammar), "9", begun)

    assert "9" * 17 in text
    assert "9" * 18 not in text


@pytest.mark.parametrize(
    ("grammar", "wanted"),
    [
        ("root ::= [0-9]+", "9" * 100),
        ('root ::= "[" [0-9]* "]"', "[" + "9" * 99),
    ],
)
def test_a_grammar_that_says_how_long_is_taken_at_its_word(grammar: str, wanted: str, model: Model) -> None:
    assert preferred(model, model.compiler.gbnf(grammar), "[9", limit=100) == wanted


@pytest.mark.parametrize(
    ("schema", "begun"),
    [
        ({"type": "string", "pattern": "^[0-9]{40}$"}, '"'),
        ({"type": "string", "minLength": 40, "maxLength": 40}, '"'),
        ({"type": "string", "pattern": "^a[0-9]{39}$"}, '"a'),
    ],
)
def test_digits_of_a_text_are_no_number(schema: Any, begun: str, model: Model) -> None:
    text = preferred(model, model.compiler.json_schema(schema), "9", begun)

    assert len(json.loads(text)) == 40


@pytest.mark.parametrize(
    ("name", "begun", "longest"),
    [
        ("time", '"10:10:10.', len("10:10:10.123456789+00:00")),
        ("date-time", '"2024-01-01T10:10:10.', len("2024-01-01T10:10:10.123456789+00:00")),
        ("duration", '"P', 11),
    ],
)
def test_a_fraction_of_a_second_and_a_period_end(name: str, begun: str, longest: int, model: Model) -> None:
    text = preferred(model, model.compiler.json_schema({"type": "string", "format": name}), "9", begun)

    assert len(json.loads(text)) <= longest


@pytest.mark.weights
def test_numbers_end_where_a_token_has_several_digits(smollm2: Model) -> None:
    constraint = smollm2.compiler.json_schema({"type": "array", "items": {"type": "number"}}).start()
    rng, token_ids = random.Random(1), smollm2.tokenizer.encode("[").tolist()
    constraint.accept(token_ids[0])
    starts = [each for each in range(49152) if smollm2.tokenizer.token_bytes(each)[:1].isdigit()]

    for _ in range(200):
        allowed = constraint.allowed()
        going_on = [each for each in starts if allowed[each]]
        token_id = rng.choice(going_on or [int(np.flatnonzero(allowed)[0])])
        constraint.accept(token_id)
        token_ids.append(token_id)

    lengths = [len(each) for each in smollm2.tokenizer.decode(token_ids).replace("[", "").split(",")]
    assert max(lengths) <= 17
    assert max(pairwise(lengths))  # there were several
