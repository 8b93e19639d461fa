"""``jan-ort backends`` lists every plugin, whatever a plugin does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jan_ort.plugins.report import report_backend
from tests.backends.plugins import Plugins, backend_source, plugin_folder
from tests.cli.commands.running import run


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Plugins]:
    with plugin_folder(tmp_path) as plugins:
        yield plugins


def probing(name: str, body: str) -> str:
    return backend_source(name, backend=f"def probe(self):\n    {body}")


def listed() -> dict[str, dict[str, Any]]:
    result = run("backends", "--json")
    assert result.exit_code == 0, result.output
    return {each["name"]: each for each in json.loads(result.stdout)}


def test_a_usable_backend_is_listed_with_its_origin_and_capabilities() -> None:
    reference = listed()["reference"]

    assert reference["usable"] is True
    assert reference["distribution"] == "jan-ort"
    assert "generate" in reference["capabilities"]
    assert (reference["reason"], reference["remedy"], reference["traceback"]) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        ("raises", "raise ValueError('out of paper')", "ValueError: out of paper"),
        ("leaves", "import sys\nsys.exit(7)", "SystemExit: 7"),
        ("probing", probing("probing", "raise OSError('no ink')"), "OSError: no ink"),
        ("exiting", probing("exiting", "raise SystemExit(3)"), "SystemExit: 3"),
        ("interrupting", probing("interrupting", "raise KeyboardInterrupt"), "its probe failed: KeyboardInterrupt"),
        ("silent", probing("silent", "return None"), "not an instance of Available or Missing"),
    ],
)
def test_a_broken_plugin_is_listed_with_traceback_and_remedy(
    plugins: Plugins, name: str, source: str, reason: str
) -> None:
    plugins.install(name, source, distribution=f"jan-ort-test-{name}")

    found = listed()

    assert found[name]["usable"] is False
    assert reason in found[name]["reason"]
    assert "Traceback" in found[name]["traceback"]
    assert f"jan-ort-test-{name}" in found[name]["remedy"]
    assert found["reference"]["usable"] is True


def test_a_probe_that_hangs_is_given_up(plugins: Plugins) -> None:
    plugins.install("hangs", probing("hangs", "time.sleep(30)"))

    report = report_backend(plugins.find("hangs"), limit_s=0.2)

    assert (report.usable, report.reason) == (False, "its probe failed: it has not returned after 0.2 s")
    assert report.remedy == "repair or uninstall jan-ort-hangs, or exclude it with --deny-backend hangs"


def test_a_backend_that_is_missing_something_is_listed_with_its_own_remedy(plugins: Plugins) -> None:
    body = "from jan_ort_backends import Missing; return Missing('no device', 'plug one in')"
    plugins.install("absent", probing("absent", body))

    result = run("backends")

    assert "absent cannot be used: no device\n  remedy: plug one in" in result.stdout


def test_a_plugin_that_prints_does_not_spoil_the_json(plugins: Plugins) -> None:
    plugins.install("talks", "print('hello')\nraise ValueError")

    assert listed()["talks"]["usable"] is False


@pytest.mark.parametrize(
    "command",
    [["models", "list"], ["doctor", "--quick"], ["chat", "Hi", "--backend", "reference", "--max-tokens", "1"]],
)
def test_a_plugin_that_exits_at_import_ends_no_command(
    own_cache: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "0")  # for the doctor: the default one may be taken
    plugins.install("leaver", "import sys\nsys.exit(7)")

    result = run(*command)

    assert result.exit_code == 0, result.output
    assert result.stdout.strip()


def test_a_denied_backend_is_listed_with_the_flag_that_denies_it(plugins: Plugins) -> None:
    plugins.install("other", "raise AssertionError('is not imported')")

    result = run("backends", "--json", "--deny-backend", "other", "--deny-backend", "not-installed")

    found = {each["name"]: each for each in json.loads(result.stdout)}
    assert found["other"]["reason"] == "excluded by the deny list"
    assert found["other"]["remedy"] == "remove 'other' from --deny-backend (JAN_ORT_DENY_BACKEND)"
    assert found["reference"]["usable"] is True
    assert "not-installed" not in found


def test_the_remedy_for_a_broken_plugin_names_the_flag_that_excludes_it(plugins: Plugins) -> None:
    plugins.install("other", "raise ValueError")

    remedy = listed()["other"]["remedy"]

    assert remedy == "repair or uninstall jan-ort-other, or exclude it with --deny-backend other"


def test_another_setting_that_is_wrong_does_not_keep_the_backends_from_being_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "http")

    assert listed()["reference"]["usable"] is True
