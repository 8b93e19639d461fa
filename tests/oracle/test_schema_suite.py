"""The JSON Schema Test Suite: most of its schemas are compiled, and nothing that one of them forbids is accepted."""

from __future__ import annotations

import json
import random

import jsonschema_rs
import pytest

from jan_ort.structured.grammar_errors import SchemaError
from tests.oracle.schema_suite import PARTS, cases, judge, model
from tests.structured.walking import walk

LEAST = {"required": 0.80, "optional": 0.75, "formats": 1.0}


@pytest.mark.parametrize("part", PARTS)
def test_no_invalid_instance_is_accepted(part: str) -> None:
    result = judge(part)

    assert result.invalid == []
    assert result.compiled >= LEAST[part]


@pytest.mark.parametrize("part", PARTS)
def test_random_output_is_valid(part: str) -> None:
    rng = random.Random(1)
    for case in cases(part):
        try:
            grammar = model().compiler.json_schema(case["schema"])
            validator = jsonschema_rs.validator_for(case["schema"], validate_formats=True)
        except (SchemaError, ValueError):
            continue
        for _ in range(8):
            taken = walk(model(), grammar, rng, rng.randint(30, 100))
            assert taken.constraint.is_accepting(), case
            document = json.loads(taken.text, parse_float=lambda text: max(-1e308, min(1e308, float(text))))
            assert validator.is_valid(document), (case["file"], case["description"], taken.text)
