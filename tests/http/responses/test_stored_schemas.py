"""What is answered of a stored response, which no generated request names, follows the document's schemas."""

from __future__ import annotations

import jsonschema_rs
import pytest

from jan_ort_openapi import load_spec
from tests.http.handlers.serving import Client
from tests.http.responses.asking import RESPONSES, respond

TOOL = {"type": "function", "name": "now", "parameters": {"type": "object", "properties": {}}}
OPERATIONS = [("get", ""), ("get", "/input_items"), ("post", "/cancel"), ("delete", "")]


@pytest.mark.parametrize("fields", [{}, {"tools": [TOOL], "tool_choice": "required", "max_output_tokens": 64}], ids=str)
async def test_each_answer_follows_its_schema(client: Client, fields: dict[str, object]) -> None:
    document = load_spec()
    first = await respond(client, **fields)

    for method, below in OPERATIONS:
        answer = await getattr(client, method)(f"{RESPONSES}/{first['id']}{below}")
        operation = document["paths"][f"{RESPONSES}/{{response_id}}{below}"][method]
        schema = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        validator = jsonschema_rs.Draft202012Validator(schema | {"components": document["components"]})
        assert (answer.status_code, [*validator.iter_errors(await answer.get_json())]) == (200, []), (method, below)
