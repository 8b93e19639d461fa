"""Servers that have one of several models each."""

from __future__ import annotations

from pathlib import Path

from jan_ort.serving.apart import apart
from jan_ort.serving.choice import check_settings
from jan_ort.settings.schema import Settings
from tests.http.handlers.serving import reference_settings
from tests.serving.several import copied


def models_of(settings: Settings) -> list[tuple[tuple[str, ...] | None, tuple[str, ...] | None]]:
    found = apart(settings, check_settings(settings).choices)
    return [(each.model, each.embedding_model) for each in found]


def test_each_model_is_apart_and_stands_for_its_task(tmp_path: Path) -> None:
    ada, bob, eve = copied(tmp_path, "ada"), copied(tmp_path, "bob"), copied(tmp_path, "eve", task="embed")

    settings = reference_settings(model=(ada, bob), embedding_model=(eve,))

    assert models_of(settings) == [((ada,), ()), ((bob,), ()), ((), (eve,))]


def test_models_that_are_loaded_at_a_request_share_a_server(tmp_path: Path) -> None:
    ada, bob = copied(tmp_path, "ada"), copied(tmp_path, "bob")

    assert models_of(reference_settings(model=(ada, bob), load="request")) == [((ada, bob), None)]


def test_one_of_the_settings_apart_serves_that_model(tmp_path: Path) -> None:
    settings = reference_settings(
        model=(copied(tmp_path, "ada"),), embedding_model=(copied(tmp_path, "eve", task="embed"),)
    )

    for each in apart(settings, check_settings(settings).choices):
        assert len(check_settings(each).choices) == 1
