"""Schemas held to on random walks, judged by an independent validator, and what is refused, by name and place."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema_rs
import pytest

from jan_ort.structured.grammar_errors import SchemaError
from jan_ort.structured.json_schema.ecma_regex import to_rust
from tests.structured.json_schema.schemas import BROKEN_SCHEMAS, SCHEMAS, SPELLED_OUT
from tests.structured.walking import Model, Walk, read, walk

each_schema = pytest.mark.parametrize("schema", [case[1] for case in SCHEMAS], ids=[case[0] for case in SCHEMAS])


def assert_valid(schema: Any, taken: Walk) -> None:
    assert taken.constraint.is_accepting(), taken.text
    # A number that no double can hold is valid JSON; Python would read it as infinity.
    document = json.loads(taken.text, parse_float=lambda text: max(-1e308, min(1e308, float(text))))
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(document), taken.text


@each_schema
def test_random_output_of_the_reference_model_is_valid(schema: Any, model: Model) -> None:
    grammar = model.compiler.json_schema(schema)
    rng = random.Random(1)

    for _ in range(10):
        assert_valid(schema, walk(model, grammar, rng, rng.randint(60, 120)))


@pytest.mark.parametrize("schema", [case[1] for case in SPELLED_OUT], ids=[case[0] for case in SPELLED_OUT])
def test_random_output_is_valid_for_what_is_said_in_other_keywords(schema: Any, model: Model) -> None:
    grammar = model.compiler.json_schema(schema)
    rng = random.Random(3)

    for _ in range(4):
        assert_valid(schema, walk(model, grammar, rng, rng.randint(25, 50)))


@pytest.mark.weights
@each_schema
def test_random_output_of_a_real_vocabulary_is_valid(schema: Any, smollm2: Model) -> None:
    grammar = smollm2.compiler.json_schema(schema)
    rng = random.Random(2)

    for _ in range(10):
        assert_valid(schema, walk(smollm2, grammar, rng, rng.randint(40, 100)))


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [case[1:] for case in BROKEN_SCHEMAS],
    ids=[case[0] for case in BROKEN_SCHEMAS],
)
def test_what_cannot_be_served_is_refused_with_its_place(schema: Any, path: str, message: str, model: Model) -> None:
    with pytest.raises(SchemaError) as refused:
        model.compiler.json_schema(schema)

    assert refused.value.path == path
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ['{"a": 1}', '{"a":1}', '{\n  "a": 1\n}', '{\r\n\t"a" : 1 }'])
def test_usual_layouts_are_allowed(text: str, model: Model) -> None:
    constraint = model.compiler.json_object().start()

    assert read(model, constraint, text)
    assert constraint.is_complete


@pytest.mark.parametrize("text", ["{  ", "{\n\n", "{ \n", "{\n" + " " * 21, "{\t", " {", "{} "])
def test_blank_space_does_not_run_away(text: str, model: Model) -> None:
    constraint = model.compiler.json_object().start()

    assert not read(model, constraint, text)


def test_a_request_cannot_change_the_options_of_the_matcher(model: Model) -> None:
    options = {"whitespace_flexible": False, "item_separator": ";", "lenient": True}

    constraint = model.compiler.json_schema({"x-guidance": options, "type": "array"}).start()

    assert read(model, constraint, "[1, 2]")


@pytest.mark.parametrize(
    ("text", "is_date"),
    [("2024-02-29", True), ("2023-02-29", False), ("1900-02-29", False), ("2000-02-29", True), ("2023-02-28", True)],
)
def test_a_date_is_one_of_the_calendar(text: str, is_date: bool, model: Model) -> None:
    date = model.compiler.json_schema({"type": "string", "format": "date"})
    date_time = model.compiler.json_schema({"type": "string", "format": "date-time"})

    assert read(model, date.start(), f'"{text}"') == is_date
    assert read(model, date_time.start(), f'"{text}T01:02:03Z"') == is_date


def test_an_integral_float_is_an_integer(model: Model) -> None:
    constraint = model.compiler.json_schema({"type": "string", "minLength": 2.0, "maxLength": 2e0}).start()

    assert read(model, constraint, '"ab"')


def test_properties_come_in_the_order_of_the_schema(model: Model) -> None:
    schema = {"type": "object", "properties": {"b": {}, "a": {}}, "required": ["a", "b"]}
    grammar = model.compiler.json_schema(schema)

    assert read(model, grammar.start(), '{"b": 1, "a": 2}')
    assert not read(model, grammar.start(), '{"a"')


def test_a_schema_given_to_the_compiler_is_not_changed(model: Model) -> None:
    schema = {"type": "string", "format": "time", "pattern": ".", "uniqueItems": False}
    before = json.dumps(schema)

    model.compiler.json_schema(schema)

    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"a.b\.", r"a[^\n\r\u{2028}\u{2029}]b\."),
        (r"[.\]]\\", r"[.\]]\\"),
        (r"[[a]", r"[\[a]"),
        (r"\d\S", r"\d[^" + to_rust(r"\s")[1:]),
    ],
)
def test_a_pattern_is_spelled_for_the_matcher(pattern: str, expected: str) -> None:
    assert to_rust(pattern) == expected


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "object", "properties": {"foo": {"type": "integer"}}}, r'{"\u0066oo": "x"}'),
        ({"type": "object", "properties": {"foo": False}}, r'{"\u0066oo": 1}'),
        ({"type": "object", "patternProperties": {"^f": {"type": "integer"}}}, r'{"\u0066oo": "x"}'),
        ({"type": "object", "patternProperties": {"^🐲": {"type": "integer"}}}, r'{"\ud83d\udc32": "x"}'),
    ],
)
def test_a_name_has_no_other_spelling(schema: Any, text: str, model: Model) -> None:
    assert not read(model, model.compiler.json_schema(schema).start(), text)


def test_a_control_character_of_the_schema_is_written_as_it_must_be(model: Model) -> None:
    assert read(model, model.compiler.json_schema({"const": "a\x01"}).start(), r'"a\u0001"')


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({"items": {"enum": [1, 2, 3]}, "uniqueItems": True}, ["[]", "[2]", "[3, 1]", "[2, 3, 1]", "null"]),
        ({"propertyNames": {"enum": ["a"]}}, ['{"a": 1}', "{}", "5"]),
        ({"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"}, ['{"a": 1}', '{"b": 2, "c": 3}']),
        ({"not": {"const": "ab"}}, ['"a"', '"abc"', '"b"', '""', "1", "[]", "null"]),
        ({"dependentRequired": {"a": ["b"]}, "type": "object"}, ['{"b": 1}', '{"a": 1, "b": 2}', "{}"]),
        ({"$schema": "https://example.test/dialect", "type": "null"}, ["null"]),
        ({"type": "string", "format": "path"}, ['"a/b"', '""']),
    ],
)
def test_what_is_said_in_other_keywords_allows_what_it_should(schema: Any, texts: list[str], model: Model) -> None:
    grammar = model.compiler.json_schema(schema)

    for text in texts:
        constraint = grammar.start()
        assert read(model, constraint, text), text
        assert constraint.is_accepting(), text
