from __future__ import annotations

from pydantic import MISSING, BaseModel

from jan_ort_openapi import load_spec, models


def test_every_object_schema_has_a_model_with_the_same_fields() -> None:
    schemas = load_spec()["components"]["schemas"]

    for name, schema in schemas.items():
        model: type[BaseModel] = getattr(models, name)
        fields = {field.alias or attribute: field.is_required() for attribute, field in model.model_fields.items()}
        assert fields == {field: field in schema.get("required", ()) for field in schema["properties"]}


def test_every_default_is_the_documents() -> None:
    for name, schema in load_spec()["components"]["schemas"].items():
        model: type[BaseModel] = getattr(models, name)
        fields = {field.alias or attribute: field.default for attribute, field in model.model_fields.items()}
        for field, subschema in schema["properties"].items():
            assert "default" not in subschema or fields[field] == subschema["default"]


def test_an_absent_field_is_none_where_null_is_allowed_and_missing_elsewhere() -> None:
    message = models.ChatCompletionRequestAssistantMessage(role="assistant")

    assert message.content is None
    assert message.tool_calls is MISSING


def test_missing_fields_are_left_out_of_responses_and_names_are_the_documents() -> None:
    delta = models.ChatCompletionChunkDelta(role="assistant")
    schema = models.ResponseFormatJsonSchema.model_validate({"name": "a", "schema": {"type": "object"}})

    assert "tool_calls" not in delta.model_dump()
    assert schema.model_dump(exclude_unset=True) == {"name": "a", "schema": {"type": "object"}}
