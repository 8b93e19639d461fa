"""The field of the operations that say which models are in memory."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.fields.asking import answered, refused
from tests.http.fields.registry import field
from tests.http.handlers.serving import Client

PATHS = [("/models/load", "loaded"), ("/models/unload", "unloaded")]


@field("ModelSelection", "model")
@pytest.mark.parametrize(("path", "status"), PATHS)
@pytest.mark.parametrize("body", [{"model": "reference"}, {"model": None}, {}], ids=["named", "null", "absent"])
async def test_the_named_model_or_all_are_meant(client: Client, path: str, status: str, body: dict[str, Any]) -> None:
    changed = (await answered(client, path, **body))["data"]

    assert {each["id"]: each["metadata"]["status"] for each in changed} == {"reference": status}


@field("ModelSelection", "model")
@pytest.mark.parametrize(("path", "status"), PATHS)
@pytest.mark.parametrize(("name", "expected"), [("gpt-4o", (404, "model")), (5, (422, "model"))])
async def test_what_names_no_model_is_refused(
    client: Client, path: str, status: str, name: object, expected: tuple[int, str]
) -> None:
    assert await refused(client, path, {"model": name}) == expected
