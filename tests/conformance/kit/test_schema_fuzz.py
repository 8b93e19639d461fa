"""Fuzzing over HTTP: bounded, repeatable, and with a listed set of deviations from the document alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jan_ort_conformance.deviations import Deviation, Deviations
from jan_ort_conformance.http_run import HttpRun, run_http
from jan_ort_conformance.results import Level, Results
from jan_ort_conformance.schema_fuzz import bounded
from tests.conformance.kit.broken_server import KEY, broken_server, listening

ONE_OPERATION = ("schema.post_extras_tokenize.*",)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with listening(broken_server()) as url:
        yield url


def fuzzed(url: str, **options: Any) -> Results:
    return run_http(HttpRun(url, key=KEY, level=Level.STRICT, only=ONE_OPERATION, max_examples=5, **options))


def test_the_sound_server_passes_and_a_seed_asks_the_same_again(url: str) -> None:
    first, again = fuzzed(url, seed=3), fuzzed(url, seed=3)

    assert first.exit_status == 0
    assert [(case.id, case.detail) for case in first.cases] == [(case.id, case.detail) for case in again.cases]
    assert first.about["seed"] == "3"


def test_the_document_alone_gives_only_listed_deviations(url: str) -> None:
    results = fuzzed(url, seed=3, pristine=True)

    statuses = next(case for case in results.cases if case.id.endswith("status_code_conformance"))
    assert results.exit_status == 0
    assert "as listed in statuses" in statuses.detail


def test_a_time_limit_ends_the_fuzzing_and_is_told(url: str) -> None:
    results = fuzzed(url, seed=3, time_limit=0.01)

    assert any("share of the time limit" in warning for warning in results.warnings)


def test_a_deviation_that_is_not_listed_stays_a_failure() -> None:
    deviations = Deviations((Deviation("a", "/v1/*", "status", "Received: 401", "why"),))

    rest, told = deviations.sort_out("/v1/x", "status", [("Received: 401", "1"), ("Received: 500", "2")])

    assert rest == [("Received: 500", "2")]
    assert told == "deviates 1 times as listed in a"
    assert deviations.unseen() == []


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({}, {"max_tokens": 8}),
        ({"max_tokens": None}, {"max_tokens": 8}),
        ({"max_tokens": 0}, {"max_tokens": 8}),
        ({"max_tokens": 10**9}, {"max_tokens": 8}),
        ({"max_tokens": 3}, {"max_tokens": 3}),
        ({"max_tokens": -1}, {"max_tokens": -1}),
        ({"max_tokens": "9"}, {"max_tokens": "9"}),
        ({"max_tokens": True}, {"max_tokens": True}),
        ({"max_completion_tokens": 99}, {"max_completion_tokens": 8}),
    ],
)
def test_a_generation_is_bounded_and_what_is_no_number_left_alone(body: dict[str, Any], sent: dict[str, Any]) -> None:
    assert bounded(body, 8) == sent


def test_without_a_key_authentication_is_not_judged(url: str) -> None:
    results = run_http(HttpRun(url, only=("auth.*",), fuzz=False))

    assert results.cases == []
    assert "authentication was not judged; give --key" in results.warnings
