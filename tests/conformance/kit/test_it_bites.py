"""The kit bites: the sound server passes every check, and each planted fault is caught by the check that names it."""

from __future__ import annotations

import socket
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from jan_ort_conformance.http.checks import registered
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.kit.broken_server import KEY, BrokenServer, fault_named
from tests.conformance.kit.image_faults import IMAGE_FAULTS
from tests.conformance.kit.planted import FAULTS
from tests.conformance.kit.quoting import quoted

ROOT = Path(__file__).parents[3]


pytestmark = pytest.mark.usefixtures("sound_afterwards")


@pytest.mark.slow
def test_the_sound_server_passes_every_check(url: str) -> None:
    results = run_http(HttpOptions(url, key=KEY, level=Level.STRICT, fuzz=False))

    assert [case for case in results.cases if case.verdict.is_bad] == []
    assert len(results.cases) == len(registered())
    unsupported = [case.id for case in results.cases if case.verdict is Verdict.UNSUPPORTED]
    images = [entry.id for entry in registered() if entry.profile == "images"]
    assert sorted(unsupported) == sorted([*images, "field.chat.images", "field.embeddings.dimensions"])


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_a_planted_fault_is_caught_by_its_check(request: pytest.FixtureRequest, name: str) -> None:
    fault = fault_named(name)
    kind = "image_" if fault in IMAGE_FAULTS else ""
    server, url = (request.getfixturevalue(f"{kind}{each}") for each in ("server", "url"))
    server.plant(fault)

    run = HttpOptions(url, key=KEY, level=Level.STRICT, only=(fault.caught_by,), timeout=5, seed=1, max_examples=5)
    (case,) = run_http(run).cases

    assert case.id == fault.caught_by
    assert case.verdict.is_bad, case
    assert "curl -sS -i -N" in case.repeat


def test_every_check_has_a_fault_that_it_catches_and_each_fault_its_name() -> None:
    names = [fault.name for fault in FAULTS]

    idle = {entry.id for entry in registered()} - {fault.caught_by for fault in FAULTS}

    assert idle == set()
    assert len(set(names)) == len(names)


def test_what_is_present_but_undeclared_is_a_lie(server: BrokenServer, url: str) -> None:
    server.plant(fault_named("hides_n"))

    (case,) = run_http(HttpOptions(url, key=KEY, only=("field.completions.n",), fuzz=False)).cases

    assert case.verdict is Verdict.LIES


def test_what_is_declared_and_ignored_is_a_lie(server: BrokenServer, url: str) -> None:
    server.plant(fault_named("ignores_n"))

    (case,) = run_http(HttpOptions(url, key=KEY, only=("field.completions.n",), fuzz=False)).cases

    assert case.verdict is Verdict.LIES


def test_a_server_that_dies_is_started_again_and_the_run_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = quoted([sys.executable, "-m", "tests.conformance.kit.broken_server", str(port)])
    only = ("stream.errors_come_before_it", "usage.adds_up")

    results = run_http(HttpOptions(f"http://127.0.0.1:{port}", key=KEY, only=only, fuzz=False, server_cmd=command))

    died, after = results.cases
    assert (died.verdict, after.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert "closed the connection" in died.detail
    assert "started again" in died.detail


def test_every_check_has_an_id_that_a_pattern_finds() -> None:
    ids = [entry.id for entry in registered()]

    assert all(fnmatchcase(each, "*.*") for each in ids)
    assert len(set(ids)) == len(ids)
