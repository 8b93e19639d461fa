"""``parse_body`` and JSON Schema give the same verdict on every body."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import jsonschema_rs
import pytest
import schemathesis
from schemathesis import GenerationMode

from jan_ort_openapi import MalformedBody, Operation, SchemaViolation, load_spec, operations, parse_body
from tests.openapi.bodies import FULL, generated, mutations

OPERATIONS = [operation for operation in operations() if operation.request_model is not None]


@dataclass(frozen=True)
class Verdict:
    operation_id: str
    body: bytes
    json_schema: bool
    parse_body: bool


def schema_accepts(validator: Any, body: bytes) -> bool:
    """The oracle: the standard library's JSON, strictly, and jsonschema-rs on document + overlay."""

    def refuse(literal: str) -> NoReturn:
        raise ValueError(literal)

    try:
        value = json.loads(body.decode(), parse_constant=refuse)
    except ValueError:
        return False
    accepted: bool = validator.is_valid(value)
    return accepted


def we_accept(operation: Operation, body: bytes) -> bool:
    assert operation.request_model is not None
    try:
        parse_body(operation.request_model, body)
    except (MalformedBody, SchemaViolation):
        return False
    return True


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    spec = load_spec()
    schema = schemathesis.openapi.from_dict(spec)
    found = []
    for operation in OPERATIONS:
        name = operation.request_model.__name__  # type: ignore[union-attr]
        validator = jsonschema_rs.Draft202012Validator(
            {"$ref": f"#/components/schemas/{name}", "components": spec["components"]}
        )
        target = schema[operation.path][operation.method]
        bodies = [body for mode in GenerationMode for body in generated(target, mode, 100)]
        bodies += [mutant for full in FULL[name] for mutant in mutations(full)]
        found += [
            Verdict(operation.operation_id, body, schema_accepts(validator, body), we_accept(operation, body))
            for body in bodies
        ]
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_parse_body_agrees_with_json_schema_on_every_body(verdicts: list[Verdict]) -> None:
    disagreements = [verdict for verdict in verdicts if verdict.json_schema != verdict.parse_body]

    assert disagreements == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bodies_are_many_and_of_both_kinds(verdicts: list[Verdict]) -> None:
    distinct = {(verdict.operation_id, verdict.body): verdict.json_schema for verdict in verdicts}

    num_valid = sum(distinct.values())

    assert len(distinct) >= 2000
    assert num_valid >= 500
    assert len(distinct) - num_valid >= 500


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.operation_id)
def test_the_full_bodies_name_every_field_of_the_request(operation: Operation) -> None:
    assert operation.request_model is not None
    name = operation.request_model.__name__

    named = {field for body in FULL[name] for field in body}

    assert named == set(load_spec()["components"]["schemas"][name]["properties"])
