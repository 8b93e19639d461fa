from __future__ import annotations

import copy
from typing import Any

import pytest

from scripts.overlay import OverlayError, apply_overlay

DOCUMENT = {
    "paths": {"/a": {"post": {"tags": ["x"]}}, "/b": {"post": {"tags": []}, "get": {}}},
    "items": [{"id": 1}, {"id": 2}, {"id": 3}],
    "title": "t",
}


def overlay(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "actions": list(actions)}


def test_update_merges_objects_concatenates_arrays_and_replaces_primitives() -> None:
    update = {"paths": {"/a": {"post": {"tags": ["y"], "id": "z"}}}, "title": "u"}

    result = apply_overlay(DOCUMENT, overlay({"target": "$", "update": update}))

    assert result["paths"]["/a"] == {"post": {"tags": ["x", "y"], "id": "z"}}
    assert result["paths"]["/b"] == DOCUMENT["paths"]["/b"]  # type: ignore[index]
    assert result["title"] == "u"


def test_update_of_an_array_appends_one_entry() -> None:
    result = apply_overlay(DOCUMENT, overlay({"target": "$.paths['/a'].post.tags", "update": ["y", "z"]}))

    assert result["paths"]["/a"]["post"]["tags"] == ["x", ["y", "z"]]


def test_a_wildcard_updates_every_match_with_a_copy_of_its_own() -> None:
    result = apply_overlay(
        DOCUMENT,
        overlay(
            {"target": "$.paths.*.post", "update": {"responses": {"400": {}}}},
            {"target": "$.paths['/a'].post.responses['400']", "update": {"only": "here"}},
        ),
    )

    assert result["paths"]["/a"]["post"]["responses"] == {"400": {"only": "here"}}
    assert result["paths"]["/b"] == {"post": {"tags": [], "responses": {"400": {}}}, "get": {}}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("$.items[1]", [{"id": 1}, {"id": 3}]),
        ("$.items[*]", []),
        ("$.items[*].id", [{}, {}, {}]),
    ],
)
def test_remove_deletes_every_match(target: str, expected: list[Any]) -> None:
    result = apply_overlay(DOCUMENT, overlay({"target": target, "remove": True}))

    assert result["items"] == expected


def test_actions_see_the_result_of_those_before() -> None:
    result = apply_overlay(
        DOCUMENT,
        overlay({"target": "$.title", "remove": True}, {"target": "$", "update": {"title": {"new": 1}}}),
    )

    assert result["title"] == {"new": 1}


def test_the_document_itself_stays_as_it_was() -> None:
    before = copy.deepcopy(DOCUMENT)

    apply_overlay(DOCUMENT, overlay({"target": "$.paths.*.post.tags", "update": "y"}))

    assert before == DOCUMENT


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"target": "$.paths['/c']", "update": {}}, "selects nothing"),
        ({"target": "$.items[3]", "remove": True}, "selects nothing"),
        ({"target": "$.title.x", "remove": True}, "selects nothing"),
        ({"target": "$", "remove": True}, "selects nothing that can be changed"),
        ({"target": "$.title", "update": "u"}, "a primitive"),
        ({"target": "$.paths", "update": ["x"]}, "does not match"),
        ({"target": "$", "update": {"items": {}}}, "remove it first"),
        ({"target": "$", "update": {"title": {}}}, "remove it first"),
        ({"target": "$.paths[?@.get]", "remove": True}, "cannot read the target"),
        ({"target": "paths", "remove": True}, "cannot read the target"),
        ({"target": "$..post", "remove": True}, "cannot read the target"),
        ({"target": "$.title"}, "either an update or remove"),
        ({"target": "$.title", "update": "x", "remove": True}, "either an update or remove"),
        ({"update": {}}, "needs a target"),
    ],
)
def test_an_action_that_cannot_be_applied_is_an_error(action: dict[str, Any], message: str) -> None:
    with pytest.raises(OverlayError, match=message):
        apply_overlay(DOCUMENT, overlay(action))


def test_another_version_of_the_specification_is_an_error() -> None:
    with pytest.raises(OverlayError, match=r"'1\.1\.0'"):
        apply_overlay(DOCUMENT, {"overlay": "1.1.0", "actions": []})
