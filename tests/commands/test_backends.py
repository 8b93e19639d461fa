"""``jan-ort backends`` lists every plugin, whatever a plugin does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands.running import add_plugin, run

PROBING = (
    "from jan_ort_backends.reference import ReferenceBackend\n"
    "class backend(ReferenceBackend):\n    name = {name!r}\n    def probe(self):\n        {body}\n"
)


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
        ("probing", PROBING.format(name="probing", body="raise OSError('no ink')"), "OSError: no ink"),
        ("exiting", PROBING.format(name="exiting", body="raise SystemExit(3)"), "SystemExit: 3"),
        ("silent", PROBING.format(name="silent", body="return None"), "neither Available nor Missing"),
    ],
)
def test_a_broken_plugin_is_listed_with_traceback_and_remedy(
    plugins: Path, name: str, source: str, reason: str
) -> None:
    add_plugin(plugins, name, source)

    found = listed()

    assert found[name]["usable"] is False
    assert reason in found[name]["reason"]
    assert "Traceback" in found[name]["traceback"]
    assert f"jan-ort-test-{name}" in found[name]["remedy"]
    assert found["reference"]["usable"] is True


def test_a_backend_that_is_missing_something_is_listed_with_its_own_remedy(plugins: Path) -> None:
    body = "from jan_ort_backends import Missing; return Missing('no device', 'plug one in')"
    add_plugin(plugins, "absent", PROBING.format(name="absent", body=body))

    result = run("backends")

    assert "absent cannot be used: no device\n  remedy: plug one in" in result.stdout


def test_a_plugin_that_prints_does_not_spoil_the_json(plugins: Path) -> None:
    add_plugin(plugins, "talks", "print('hello')\nraise ValueError")

    assert listed()["talks"]["usable"] is False


@pytest.mark.parametrize(
    "command",
    [["models", "list"], ["doctor", "--quick"], ["chat", "Hi", "--backend", "reference", "--max-tokens", "1"]],
)
def test_a_plugin_that_exits_at_import_ends_no_command(own_cache: Path, plugins: Path, command: list[str]) -> None:
    add_plugin(plugins, "leaver", "import sys\nsys.exit(7)")

    result = run(*command)

    assert result.exit_code == 0, result.output
    assert result.stdout.strip()
