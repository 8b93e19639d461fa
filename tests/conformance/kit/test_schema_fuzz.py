"""Fuzzing over HTTP: bounded, repeatable, and with a listed set of deviations from the document alone."""

from __future__ import annotations

import re
import socket
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from jan_ort_conformance.http.fuzzing.deviations import Deviation, Deviations
from jan_ort_conformance.http.fuzzing.generation_limits import LIMITS, bounded
from jan_ort_conformance.http.fuzzing.schema_fuzzing import body_schema
from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.http.server.declaration import Declaration
from jan_ort_conformance.verdicts.results import Results
from jan_ort_conformance.verdicts.skips import Skip, Skips
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from jan_ort_openapi import load_spec, operations
from tests.conformance.kit import hanging_server
from tests.conformance.kit.broken_server import KEY, BrokenServer
from tests.conformance.kit.quoting import quoted

ONE_OPERATION = ("schema.post_extras_tokenize.*",)


def fuzzed(url: str, **options: Any) -> Results:
    return run_http(HttpOptions(url, key=KEY, level=Level.STRICT, only=ONE_OPERATION, max_examples=5, **options))


def test_the_sound_server_passes_and_a_seed_asks_the_same_again(url: str) -> None:
    first, again = fuzzed(url, seed=3), fuzzed(url, seed=3)

    assert first.exit_status == 0
    assert [(case.id, case.detail) for case in first.cases] == [(case.id, case.detail) for case in again.cases]
    assert first.about["seed"] == "3"
    assert {"schemathesis", "hypothesis"} <= set(first.about["kit"].split())


def test_the_document_alone_gives_only_listed_deviations(url: str) -> None:
    results = fuzzed(url, seed=3, pristine=True)

    statuses = next(case for case in results.cases if case.id.endswith("status_code_conformance"))
    assert results.exit_status == 0
    assert "as listed in statuses" in statuses.detail
    assert all(re.match(r"\d+ requests \(", case.detail) for case in results.cases)
    assert any("as listed" not in case.detail for case in results.cases)


def test_a_time_limit_ends_the_fuzzing_and_is_told(url: str) -> None:
    results = fuzzed(url, seed=3, time_limit=0.01)

    assert any("share of the time limit" in warning for warning in results.warnings)


def test_a_deviation_that_is_not_listed_stays_a_failure() -> None:
    deviations = Deviations((Deviation("a", "/v1/*", "status", "Received: 401", "why"),))

    rest, told = deviations.sort_out("/v1/x", "status", [("Received: 401", "1"), ("Received: 500", "2")])

    assert rest == [("Received: 500", "2")]
    assert told == "deviates 1 time as listed in a"
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
    assert bounded("/v1/chat/completions", body, 8) == sent


@pytest.mark.parametrize(
    ("path", "body", "sent"),
    [
        ("/v1/responses", {}, {"max_output_tokens": 16}),
        ("/v1/responses", {"max_output_tokens": 10**9}, {"max_output_tokens": 16}),
        ("/v1/responses", {"max_output_tokens": 0}, {"max_output_tokens": 0}),
        ("/v1/messages", {"max_tokens": 99}, {"max_tokens": 8}),
        ("/v1/messages", {}, {}),
        ("/api/chat", {}, {"options": {"num_predict": 8}}),
        ("/api/generate", {"options": {"num_predict": -1, "seed": 1}}, {"options": {"num_predict": 8, "seed": 1}}),
        ("/api/generate", {"options": 5}, {"options": 5}),
        ("/v1/embeddings", {}, {}),
    ],
)
def test_each_operation_has_its_own_limit(path: str, body: dict[str, Any], sent: dict[str, Any]) -> None:
    assert bounded(path, body, 8) == sent


def test_every_operation_that_can_stream_has_a_limit() -> None:
    spec = load_spec()
    streaming = {each.path for each in operations() if "stream" in _fields(spec, each.path)}

    assert streaming == set(LIMITS)


def _fields(spec: dict[str, Any], path: str) -> set[str]:
    return Declaration(spec, True, None, None).fields(path)


def test_every_request_is_counted_by_operation_and_phase(server: BrokenServer, url: str) -> None:
    before = server.num_requests
    every = Skips((Skip("*", "https://tracker.test/1", date.max),))
    not_fuzzed = run_http(HttpOptions(url, key=KEY, fuzz=False, skips=every))
    num_beside = server.num_requests - before

    before = server.num_requests
    fuzzing = fuzzed(url, seed=3).fuzzing

    assert not_fuzzed.fuzzing is None
    assert fuzzing is not None
    assert fuzzing.num_requests == server.num_requests - before - num_beside > 20
    (operation,) = fuzzing.operations
    assert (operation.operation, set(operation.phases)) == ("post_extras_tokenize", {"examples", "coverage", "fuzzing"})
    assert 0 < operation.num_served == operation.num_valid < operation.num_requests


def test_the_same_seed_sends_the_same_requests_and_another_seed_others(url: str) -> None:
    digests = []
    for seed in (3, 3, 4):
        fuzzing = fuzzed(url, seed=seed).fuzzing
        assert fuzzing is not None
        digests.append(fuzzing.operations[0].digest)

    assert digests[0] == digests[1] != digests[2]


def test_more_examples_are_more_requests(url: str) -> None:
    few, many = (
        run_http(HttpOptions(url, key=KEY, only=ONE_OPERATION, seed=3, max_examples=count)).fuzzing for count in (2, 20)
    )

    assert few is not None
    assert many is not None
    assert few.phases()["coverage"] == many.phases()["coverage"]
    assert few.phases()["fuzzing"] < many.phases()["fuzzing"]


@pytest.mark.parametrize("how", [[], ["begin"]], ids=["without a word", "within an answer"])
def test_a_server_that_hangs_is_started_again_and_each_request_counted(tmp_path: Path, how: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    command = quoted([sys.executable, hanging_server.__file__, str(port), str(log), *how])

    only = ("schema.post_extras_tokenize.answers",)
    run = HttpOptions(f"http://127.0.0.1:{port}", only=only, seed=3, max_examples=2, timeout=0.5, server_cmd=command)
    results = run_http(run)

    (case,) = results.cases
    told = "the server did not answer within 0.5 s; it was started again"
    num_hung, num_sent = map(int, re.findall(r"(\d+) failures? in (\d+) requests?", case.detail)[0])
    noted = log.read_text().split()
    assert (case.verdict, told in case.detail) == (Verdict.FAIL, True), case
    assert noted.count("start") == 1 + num_hung
    assert noted.count("request") == num_sent > num_hung


@pytest.mark.parametrize(
    ("body", "is_valid"),
    [
        (b'{"input": "a"}', True),
        (b'{"input": null, "messages": []}', True),
        (b'{"input": null}', False),
        (b'{"input": 5, "messages": []}', False),
        (b"{}", False),
        (b"{", False),
    ],
)
def test_a_body_that_one_branch_takes_is_no_wrong_one(body: bytes, is_valid: bool) -> None:
    (count,) = (each for each in operations() if each.path == "/extras/tokenize/count")

    assert body_schema(load_spec(pristine=False), count)(body) is is_valid
