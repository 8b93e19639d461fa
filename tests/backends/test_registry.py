"""The registry: a broken, excluded or incompatible plugin is listed with its reason, and harms nothing else."""

import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from jan_ort_backends import BackendError, discover, register, unregister
from jan_ort_backends.reference import ReferenceBackend
from tests.backends.plugins import Plugins, backend_source, plugin_folder


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins


def test_a_working_plugin_is_loaded_with_its_origin(plugins: Plugins) -> None:
    module = plugins.install_backend("good")

    row = plugins.find("good")

    assert row.backend is not None
    assert (row.distribution, row.version, row.value) == ("jan-ort-good", "1.2", f"{module}:backend")
    assert (row.error, row.traceback, row.remedy) == (None, None, None)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('two\\nlines')", "ValueError: two lines"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("other = 1", "AttributeError: "),
    ],
)
def test_a_plugin_that_raises_at_import_is_listed_and_the_next_one_works(
    plugins: Plugins, source: str, error: str
) -> None:
    plugins.install("broken", source)
    plugins.install_backend("good")

    row = plugins.find("broken")

    assert row.backend is None
    assert error in (row.error or "")
    assert "\n" not in (row.error or "")
    assert "Traceback" in (row.traceback or "")
    assert plugins.find("good").backend is not None


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("backend = object()", "it lacks name, abi, capabilities"),
        (backend_source("odd", backend="abi = '2.0'"), "version 2.0 of the backend interface"),
        (backend_source("odd", backend="capabilities = frozenset({'genrate'})"), "did you mean 'generate'?"),
        (backend_source("other"), "the entry point is named 'odd' and the backend 'other'"),
    ],
)
def test_what_is_no_usable_backend_is_listed_with_a_remedy(plugins: Plugins, source: str, error: str) -> None:
    plugins.install("odd", source)

    row = plugins.find("odd")

    assert row.backend is None
    assert error in (row.error or "")
    assert row.remedy
    assert row.traceback is None


def test_two_distributions_with_one_name_are_both_refused(plugins: Plugins) -> None:
    modules = [plugins.install_backend("twin", distribution=f"jan-ort-{which}") for which in "ab"]

    rows = [row for row in discover() if row.name == "twin"]

    assert [row.backend for row in rows] == [None, None]
    assert all("jan-ort-a, jan-ort-b" in (row.error or "") for row in rows)
    assert not set(modules) & set(sys.modules)


def test_deny_is_applied_before_the_plugin_is_imported(plugins: Plugins) -> None:
    module = plugins.install_backend("denied")

    row = plugins.find("denied", deny=["denied"])

    assert (row.backend, row.error) == (None, "excluded by the deny list")
    assert module not in sys.modules


def test_only_what_is_allowed_is_imported(plugins: Plugins) -> None:
    module = plugins.install_backend("other")
    plugins.install_backend("good")

    rows = {row.name: row for row in discover(allow=["good"])}

    assert rows["good"].backend is not None
    assert rows["other"].error == "not in the allow list"
    assert module not in sys.modules


def test_an_allowed_name_that_is_not_installed_gets_a_suggestion(plugins: Plugins) -> None:
    plugins.install_backend("good")

    row = plugins.find("goood", allow=["goood"])

    assert row.error == "no backend named 'goood' is installed; did you mean 'good'?"


def test_another_question_has_its_own_answer(plugins: Plugins) -> None:
    plugins.install_backend("good")

    errors = [plugins.find("good", deny=deny).error for deny in ([], ["good"], [])]

    assert errors == [None, "excluded by the deny list", None]


def test_what_is_installed_meanwhile_is_found(plugins: Plugins) -> None:
    before = {row.name for row in discover()}
    plugins.install_backend("good")

    after = {row.name for row in discover()}

    assert after - before == {"good"}


def test_only_the_metadata_of_what_offers_a_backend_is_read_and_once(
    plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugins.install_backend("good")
    read: list[str] = []
    original = PathDistribution.read_text
    monkeypatch.setattr(
        PathDistribution, "read_text", lambda self, filename: read.append(filename) or original(self, filename)
    )

    owners = {row.distribution for row in discover()}

    assert owners >= {"jan-ort", "jan-ort-good"}
    assert read.count("METADATA") == len(owners)


def test_a_registered_backend_shadows_the_entry_point_until_it_is_unregistered(plugins: Plugins) -> None:
    plugins.install_backend("good")
    own = ReferenceBackend()
    own.name = "good"

    register(own)
    shadowed = plugins.find("good")
    unregister("good")

    assert shadowed.backend is own
    assert plugins.find("good").distribution == "jan-ort-good"


def test_a_name_is_registered_once_and_unregistered_once() -> None:
    own = ReferenceBackend()
    own.name = "mine"
    register(own)

    with pytest.raises(BackendError, match="registered already"):
        register(own)
    unregister("mine")

    with pytest.raises(BackendError, match="no backend named 'mine'"):
        unregister("mine")
