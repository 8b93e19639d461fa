"""Every request field of document and overlay, and every member of one, has a check that detects when it is ignored."""

from __future__ import annotations

from jan_ort_conformance.http.checks import registered
from jan_ort_conformance.http.server.declaration import Declaration
from jan_ort_openapi import load_spec, operations


def test_every_request_field_and_member_has_a_detector() -> None:
    declaration = Declaration(load_spec(), True, None, None)
    fields = {
        f"{operation.path} {name}"
        for operation in operations()
        if operation.request_model is not None
        for name in declaration.fields(operation.path) | declaration.members(operation.path)
    }

    detected = {name for entry in registered() for name in entry.fields}

    assert fields - detected == set()
    assert detected - fields == {"/v1/models/{model} model"}


def test_a_field_that_is_not_declared_is_not_there() -> None:
    spec = load_spec()
    del spec["components"]["schemas"]["CreateCompletionRequest"]["properties"]["n"]
    declaration = Declaration(spec, True, frozenset({"generate"}), None)

    assert declaration.has("/v1/chat/completions n")
    assert not declaration.has("/v1/completions n")
    assert not declaration.has("/v1/embeddings")


def test_members_are_found_in_lists_and_in_branches() -> None:
    members = Declaration(load_spec(), True, None, None).members("/v1/chat/completions")

    assert {
        "messages.content.image_url.detail",
        "messages.tool_calls.function.arguments",
        "tools.function.strict",
        "tool_choice.function.name",
        "response_format.json_schema.schema",
        "stream_options.include_usage",
    } <= members


def test_a_document_that_refers_to_itself_or_to_nothing_is_read() -> None:
    schemas = {"A": {"properties": {"a": {"$ref": "#/components/schemas/A"}, "b": {"$ref": "#/nowhere"}}}}
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/A"}}}}
    document = {"paths": {"/x": {"post": {"requestBody": body}}}, "components": {"schemas": schemas}}

    declaration = Declaration(document, True, None, None)

    assert {"a.a", "a.b", "a.a.a"} <= declaration.members("/x")
    assert declaration.has("/x a.a.b")
    assert not declaration.has("/x b.c")


def test_a_member_of_a_field_can_be_declared_or_not() -> None:
    served, bundled = (Declaration(load_spec(pristine=alone), True, None, None) for alone in (False, True))

    need = "/v1/chat/completions response_format.json_schema"

    assert served.has(need)
    assert not bundled.has(need)
