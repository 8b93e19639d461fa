"""Whose model a name means, if several backends bring one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL
from jan_ort.models.sources.folder import BuiltinSource
from jan_ort.models.sources.index import IndexSource
from jan_ort.plugins.builtin_models import builtin_models, check_builtin_model
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving.choice import choose_models
from jan_ort.settings.schema import Settings
from jan_ort_backends import Discovered
from tests.plugins.test_choice import Plugin, broken


def bringing(name: str, distribution: str = "", **models: str) -> Discovered:
    plugin = Plugin(name, builtin_models={model: Path(folder) for model, folder in models.items()})
    return Discovered(name, distribution or f"{name}-dist", "1.0", "package:backend", backend=plugin)


OURS = bringing("ours", "jan-ort", tiny="ours")
FIRST, SECOND = bringing("first", tiny="first", one="one"), bringing("second", tiny="second", two="two")
SAME = bringing("same", tiny="first")


def test_builtin_models_are_those_of_usable_plugins() -> None:
    assert builtin_models([FIRST, broken("b", "x", "y")]) == {"tiny": Path("first"), "one": Path("one")}


@pytest.mark.parametrize(
    ("discovered", "asked", "folder"),
    [
        ([OURS, SECOND], None, "ours"),
        ([FIRST, OURS, SECOND], None, "ours"),
        ([FIRST, OURS, SECOND], "second", "second"),
        ([FIRST, OURS, SECOND], "first", "first"),
        ([FIRST, SECOND], "second", "second"),
        ([FIRST, OURS, SECOND], "another", "ours"),
        ([FIRST, SAME], None, "first"),
    ],
)
def test_the_one_asked_for_counts_and_then_our_own(discovered: list[Discovered], asked: str, folder: str) -> None:
    for rows in (discovered, discovered[::-1]):
        check_builtin_model("tiny", rows, asked)

        assert builtin_models(rows, asked)["tiny"] == Path(folder)


@pytest.mark.parametrize("asked", [None, "ours"])
def test_two_others_are_refused_by_name_and_only_if_their_model_is_meant(asked: str | None) -> None:
    discovered = [bringing("ours", "jan-ort"), FIRST, SECOND]

    with pytest.raises(NoBackendError, match=r"named 'tiny': first \(first-dist\), second \(second-dist\); choose"):
        check_builtin_model("tiny", discovered, asked)

    for name in ("one", "two", "none"):
        check_builtin_model(name, discovered, asked)


def test_what_is_ignored_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    check_builtin_model("tiny", [OURS, SECOND])

    assert "'tiny' of backend second is ignored: another one has that name" in caplog.text


def test_a_name_of_the_catalogue_is_taken_by_the_backend_that_is_asked_for_alone() -> None:
    thief = bringing("thief", **{DEFAULT_CHAT_MODEL: "stolen"})
    chosen = {}
    for backend in (None, "thief"):
        settings = Settings.read(model=DEFAULT_CHAT_MODEL, backend=backend)
        (choice,) = choose_models(settings, [thief])
        chosen[backend] = choice.source

    assert chosen == {None: IndexSource(CATALOG[DEFAULT_CHAT_MODEL]), "thief": BuiltinSource(Path("stolen"))}


def test_two_names_that_clash_keep_a_server_from_starting_with_that_model() -> None:
    with pytest.raises(NoBackendError, match="several backends bring"):
        choose_models(Settings.read(model="tiny"), [FIRST, SECOND])
