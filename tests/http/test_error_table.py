"""The table from exceptions to answers."""

from __future__ import annotations

import logging

import pytest

from jan_ort.chat.template import ChatTemplateError
from jan_ort.engine.engine_errors import EngineFailed, EngineStopped, QueueFull, SequenceFailed, StepFailed
from jan_ort.ground.worker_pool import PoolBusy, PoolClosed
from jan_ort.http.api_error import ApiError, context_overflow, short
from jan_ort.http.body_budget import BodiesTooLarge
from jan_ort.http.error_table import to_api_error
from jan_ort.http.responses.store import StoreUnavailable
from jan_ort.models.tokenizer import TextTooLarge, TokenIdError, TokenizerFailed
from jan_ort_backends import BadInput, ContextOverflow
from jan_ort_openapi import MalformedBody, SchemaViolation


@pytest.mark.parametrize(
    ("error", "status", "param", "code"),
    [
        (MalformedBody("no JSON"), 400, None, "malformed_body"),
        (SchemaViolation([], "top_p", "too large"), 422, "top_p", "schema_violation"),
        (TokenIdError(9, 5), 400, "tokens", "invalid_token_id"),
        (TextTooLarge(2**22, 2**21), 400, None, "text_too_large"),
        (ChatTemplateError("no system role"), 400, "messages", "chat_template_error"),
        (ContextOverflow(slot=0, length=1, num_tokens=2, context_length=2), 400, "input", "context_length_exceeded"),
        (BadInput("slot", "is 9"), 400, "slot", "invalid_value"),
        (QueueFull(3, 2), 429, None, "queue_full"),
        (EngineStopped(), 503, None, "shutting_down"),
        (PoolBusy("3 others wait"), 429, None, "queue_full"),
        (PoolClosed("stopping"), 503, None, "shutting_down"),
        (BodiesTooLarge("10 bytes; at most 5 are allowed"), 503, None, "bodies_too_large"),
        (StoreUnavailable("the disk is full"), 503, None, "response_store_unavailable"),
        (MemoryError(), 503, None, "out_of_memory"),
        (StepFailed("the device is lost"), 500, None, "backend_failed"),
        (EngineFailed(ZeroDivisionError("secret")), 500, None, "engine_failed"),
        (SequenceFailed(), 500, None, "internal_error"),
        (TokenizerFailed("Onig: retry-limit-in-match over"), 500, None, "tokenizer_failed"),
        (ZeroDivisionError("secret"), 500, None, "internal_error"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_exception_has_its_answer(error: Exception, status: int, param: str | None, code: str) -> None:
    answer = to_api_error(error)

    assert (answer.status, answer.param, answer.code) == (status, param, code)
    assert answer.body["error"].keys() == {"message", "type", "param", "code"}


def test_an_api_error_is_its_own_answer() -> None:
    error = ApiError(418, "teapot")

    assert to_api_error(error) is error


@pytest.mark.parametrize(
    "error",
    [QueueFull(3, 2, retry_after_s=7), EngineStopped(), PoolBusy("full"), PoolClosed("stopping"), MemoryError()],
)
def test_what_passes_says_when_to_come_back(error: Exception) -> None:
    assert int(to_api_error(error).headers["Retry-After"]) >= 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (415, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    assert ApiError(status, "x").body["error"]["type"] == kind


def test_only_a_violated_schema_carries_detail() -> None:
    violation = SchemaViolation([{"loc": ["body", "top_p"], "msg": "too large", "type": "x"}], "top_p", "too large")

    assert to_api_error(violation).body["detail"] == violation.detail
    assert "detail" not in to_api_error(MalformedBody("no")).body


def test_what_nobody_foresaw_is_logged_and_kept_from_the_client(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = to_api_error(ZeroDivisionError("secret"))

    assert "secret" not in answer.message
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "None"),
        (0, "0"),
        (-5, "-5"),
        (10**20 - 1, "9" * 20),
        (10**20, "about 10^20"),
        (-(10**20), "about -10^20"),
        (10**5000, "about 10^5000"),  # more digits than Python writes
    ],
    ids=lambda value: value if isinstance(value, str) else "number",
)
def test_a_number_in_a_message_is_short(number: int | None, text: str) -> None:
    assert short(number) == text


def test_an_overflow_says_all_counts() -> None:
    error = context_overflow("prompt", 100, 60, 128)

    assert error.code == "context_length_exceeded"
    assert [count for count in ("128", "160", "100", "60") if count not in error.message] == []
