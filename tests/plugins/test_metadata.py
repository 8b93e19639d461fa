"""What the metadata of a plugin may look like: a name of any kind, two versions, and lists that are wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jan_ort_backends import discover
from tests.backends.plugins import Plugins, backend_source


@pytest.mark.parametrize("name", ["My Own", "UPPER", "ünïcode", "with.dots-and_more"])
def test_a_name_may_be_any_text(plugins: Plugins, name: str) -> None:
    plugins.install_backend(name, distribution="some-plugin")

    assert plugins.find(name).backend is not None


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("odd = no_such_package.module:backend", "No module named 'no_such_package'"),
        ("odd = jan_ort_odd.no_such_module:backend", "is not a package"),
        ("odd = jan_ort_odd:no_such_attribute", "has no attribute 'no_such_attribute'"),
        ("odd = jan_ort_odd", "it lacks name, abi"),
        ("odd = a b c:::d", "'a b c:::d' is not module:attribute"),
        ("odd =", "'' is not module:attribute"),
    ],
)
def test_an_entry_point_to_nowhere_is_listed_with_a_remedy(plugins: Plugins, entries: str, reason: str) -> None:
    plugins.install("odd", backend_source("odd"), entries=entries)
    plugins.install_backend("sound")

    row = plugins.find("odd")

    assert row.backend is None
    assert reason in (row.error or "")
    assert row.remedy
    assert plugins.find("sound").backend is not None


@pytest.mark.parametrize(
    ("entries", "encoding"),
    [
        ("a line without the sign", "utf-8"),
        ("ödd = jan_ort_odd:backend", "utf-16"),
        ("ödd = jan_ort_odd:backend", "utf-32"),
        ("ödd = jan_ort_odd:backend", "latin-1"),
    ],
)
def test_a_list_of_entry_points_that_cannot_be_read_is_warned_of_and_hides_no_other(
    plugins: Plugins, caplog: pytest.LogCaptureFixture, entries: str, encoding: str
) -> None:
    plugins.install_backend("odd")
    path = plugins.root / "jan_ort_odd-1.2.dist-info" / "entry_points.txt"
    path.write_text(f"[jan_ort.backends]\n{entries}\n", encoding)
    plugins.install_backend("sound")

    rows = {row.name: row for row in discover()}

    assert "the entry points of jan-ort-odd cannot be read: " in caplog.text
    assert rows["sound"].backend is not None
    assert rows["reference"].distribution == "jan-ort"


def test_a_list_in_another_encoding_that_offers_no_backend_is_not_ours_to_tell(plugins: Plugins) -> None:
    plugins.install_backend("odd")
    (plugins.root / "jan_ort_odd-1.2.dist-info" / "entry_points.txt").write_text("[console_scripts]", "utf-16")

    assert "jan-ort-odd" not in {row.distribution for row in discover()}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
@pytest.mark.parametrize("target", ["entry_points.txt", "nowhere", "."])
def test_a_list_of_entry_points_that_cannot_be_opened_hides_no_other(plugins: Plugins, target: str) -> None:
    plugins.install_backend("odd")
    entries = plugins.root / "jan_ort_odd-1.2.dist-info" / "entry_points.txt"
    entries.unlink()
    entries.symlink_to(target)
    plugins.install_backend("sound")

    names = {row.name for row in discover() if row.distribution != "jan-ort"}

    assert "sound" in names
    assert "jan-ort-odd" not in names


def test_a_plugin_without_metadata_is_still_found(plugins: Plugins) -> None:
    plugins.install_backend("bare")
    (plugins.root / "jan_ort_bare-1.2.dist-info" / "METADATA").unlink()

    row = plugins.find("bare")

    assert row.backend is not None
    assert (row.distribution, row.version) == ("", "")


def test_of_two_versions_of_a_distribution_the_first_on_the_path_counts(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Plugins(tmp_path / "later")
    later.root.mkdir()
    monkeypatch.syspath_prepend(str(later.root))
    plugins.install("old", "raise AssertionError('is not imported')", distribution="my-plugin", version="1.0")
    later.install("new", backend_source("new"), distribution="my_Plugin", version="2.0")

    rows = [row for row in discover(deny=["new"]) if row.distribution in ("my-plugin", "my_Plugin")]

    assert [(row.name, row.version) for row in rows] == [("new", "2.0")]


def test_a_version_that_has_no_backend_any_more_hides_the_one_behind_it(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Plugins(tmp_path / "later")
    later.root.mkdir()
    monkeypatch.syspath_prepend(str(later.root))
    plugins.install("old", "raise AssertionError('is not imported')", distribution="my-plugin", version="1.0")
    later.install("old", "", distribution="my-plugin", version="2.0")
    (later.root / "my_plugin-2.0.dist-info" / "entry_points.txt").unlink()

    assert "old" not in {row.name for row in discover()}


def test_one_distribution_that_offers_a_name_twice_is_told_so(plugins: Plugins) -> None:
    plugins.install("twice", "", entries="twice = first:backend\ntwice = second:backend")

    rows = [row for row in discover() if row.name == "twice"]

    reason = "2 backends are named 'twice': first:backend, second:backend (of jan-ort-twice)"
    assert [row.error for row in rows] == [reason, reason]
