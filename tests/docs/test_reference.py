"""The pages of reference: everything has a description, and what is public is there."""

from __future__ import annotations

import pytest

import jan_ort_backends
from jan_ort.settings.schema import Settings
from jan_ort_backends import CountedSession, Session
from jan_ort_openapi import operations
from scripts import reference


def test_everything_has_a_description() -> None:
    assert reference.undescribed() == []


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("settings", [f"`JAN_ORT_{name.upper()}`" for name in Settings.model_fields]),
        ("operations", [f"## {each.method.upper()} {each.path}" for each in operations()]),
        ("backend-interface", [f"\n## {name}\n" for name in jan_ort_backends.__all__]),
        ("commands", ["## jan-ort serve", "## jan-ort models pull", "--num-slots", "jan-ort service install"]),
    ],
)
def test_a_page_has_every_name(page: str, names: list[str]) -> None:
    text = reference.page(page)

    assert [name for name in names if name not in text] == []


def test_the_overlays_fields_are_told_from_the_documents() -> None:
    rows = reference.page("operations").splitlines()

    assert any(row.startswith("| `dimensions` *ours*") for row in rows)
    assert any(row.startswith("| `encoding_format` *ours*") for row in rows)
    assert any(row.startswith("| `temperature` | `0.8`") for row in rows)


def test_methods_are_told_with_their_signature_and_values_with_their_text() -> None:
    told = reference.members(Session)

    assert told["fork(source: int, target: int, length: int) -> None"].startswith("Make ``target`` a copy")
    assert "FORK" in reference.members(jan_ort_backends.Capability)
    assert not any(name.startswith("__init__") for name in reference.members(CountedSession))


def test_what_has_no_description_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session.close, "__doc__", None)

    assert reference.undescribed() == ["Session.close() -> None"]
