"""Every field that a request may have is named by a test, and no test names a field that there is not."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from tests.http.fields.registry import NAMED, request_fields


@pytest.fixture(scope="module", autouse=True)
def every_test_is_known() -> None:
    """Import the tests beside this one, which may be run alone."""
    for path in sorted(Path(__file__).parent.glob("test_*_fields.py")):
        importlib.import_module(f"tests.http.fields.{path.stem}")


def test_every_request_field_has_a_test() -> None:
    assert request_fields() - NAMED.keys() == set()


def test_every_tested_field_is_in_the_document() -> None:
    assert NAMED.keys() - request_fields() == set()


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("CreateCompletionRequest", "top_k"),
        ("CreateChatCompletionRequest", "parallel_tool_calls"),
        ("StreamOptions", "include_usage"),
        ("ChatCompletionRequestMessageContentPartImageImageUrl", "detail"),
        ("CountTokensRequest", "messages"),
        ("/v1/models/{model}", "model"),
    ],
)
def test_fields_of_the_document_the_overlay_and_what_they_refer_to_are_found(schema: str, name: str) -> None:
    assert (schema, name) in request_fields()
