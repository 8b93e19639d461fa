"""What schemathesis finds through the kit: faults that show only in requests made from the document."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jan_ort_conformance.http.http_options import HttpOptions
from jan_ort_conformance.http.judging.http_run import run_http
from jan_ort_conformance.verdicts.results import Case
from jan_ort_conformance.verdicts.verdict import Level, Verdict
from tests.conformance.kit.broken_server import KEY, BrokenServer, broken_server, listening
from tests.conformance.kit.faults import Exchange, Fault


@pytest.fixture(scope="module")
def server() -> BrokenServer:
    return broken_server(context_length=192)


@pytest.fixture(scope="module")
def url(server: BrokenServer) -> Iterator[str]:
    with listening(server) as url:
        yield url


def fuzzed(url: str, case_id: str) -> Case:
    (case,) = run_http(HttpOptions(url, key=KEY, level=Level.STRICT, only=(case_id,), seed=1, max_examples=10)).cases
    return case


def cut_done(exchange: Exchange) -> None:
    exchange.answer = exchange.answer.removesuffix(b"data: [DONE]\n\n")


def tolerate(exchange: Exchange) -> None:
    if exchange.path == "/extras/tokenize":
        exchange.body = json.dumps({"input": "Hello"}).encode()


def name_no_code(exchange: Exchange) -> None:
    if exchange.status == 422:
        exchange.answer = json.dumps({"error": {"message": "no", "code": None}}).encode()


@pytest.mark.parametrize(
    ("fault", "case_id", "told"),
    [
        (Fault("no_done", "", after=cut_done), "schema.post_v1_completions.stream_ends_with_done", "the stream ends"),
        (Fault("tolerant", "", before=tolerate), "schema.post_extras_tokenize.negative_data_rejection", "accepted"),
        (Fault("no_code", "", after=name_no_code), "schema.post_extras_tokenize.error_has_a_code", "has no code"),
    ],
    ids=lambda each: each.name if isinstance(each, Fault) else "",
)
def test_a_fault_in_generated_requests_is_found(
    server: BrokenServer, url: str, fault: Fault, case_id: str, told: str
) -> None:
    sound = fuzzed(url, case_id)
    server.plant(fault)

    case = fuzzed(url, case_id)
    server.plant(None)

    assert sound.verdict is Verdict.PASS
    assert case.verdict is Verdict.FAIL
    assert told in case.detail
