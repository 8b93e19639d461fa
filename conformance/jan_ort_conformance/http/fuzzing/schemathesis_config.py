"""What schemathesis is asked to check, and the two checks of our own that it lacks; importing this registers them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig

from jan_ort_conformance.http.server.events import events_of, is_event_stream
from jan_ort_openapi import operations

PATHS = sorted({operation.path for operation in operations()})

LAST_EVENTS = {"/v1/messages": "message_stop"}
"""The types of the events that end streams of other APIs than OpenAI's."""

ACCEPTABLE = {
    # A body may be valid and still ask for what a model cannot do; what exactly is told by the other checks.
    "/v1/completions": ["2xx", "400"],
    "/v1/chat/completions": ["2xx", "400"],
    "/v1/embeddings": ["2xx", "400"],
    "/v1/rerank": ["2xx", "400"],
    "/v1/responses": ["2xx", "400"],
    "/v1/responses/{response_id}": ["2xx", "404"],
    "/v1/responses/{response_id}/input_items": ["2xx", "400", "404"],
    "/v1/responses/{response_id}/cancel": ["2xx", "404"],
    "/v1/score": ["2xx", "400"],
    "/v1/messages": ["2xx", "400"],
    "/v1/messages/count_tokens": ["2xx", "400"],
    "/api/chat": ["2xx", "400"],
    "/api/generate": ["2xx", "400"],
    "/api/embed": ["2xx", "400"],
    "/api/embeddings": ["2xx", "400"],
    "/api/show": ["2xx", "404"],
    "/extras/detokenize": ["2xx", "400"],
    "/extras/tokenize/count": ["2xx", "400"],
    "/v1/models/{model}": ["2xx", "404"],
    "/models/load": ["2xx", "404"],
    "/models/unload": ["2xx", "404"],
}
"""Answers to valid requests, where there are others than 2xx."""


def configuration(
    *,
    seed: int,
    max_examples: int,
    headers: Mapping[str, str],
    only: str | None = None,
    timeout_s: float = 10.0,
    ca_file: Path | None = None,
) -> SchemathesisConfig:
    """Return what is checked and how, for every operation or for the one at the path ``only``."""
    config: dict[str, Any] = {
        "seed": seed,
        "continue-on-failure": True,
        "request-timeout": timeout_s,
        "tls-verify": True if ca_file is None else str(ca_file),
        "max-stream-events": 100_000,  # whole streams, so that a missing [DONE] is seen
        "headers": dict(headers),
        "output": {"sanitization": {"enabled": False}, "truncation": {"enabled": False}},
        "generation": {"mode": "all", "deterministic": True, "max-examples": max_examples},
        "phases": {"stateful": {"enabled": False}},
        "checks": {
            "max_response_time": timeout_s,
            # By default a 5xx counts as an acceptable answer in both of these.
            "positive_data_acceptance": {"expected-statuses": ["2xx"]},
            "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "415", "422"]},
        },
        "operations": [_operation(path, only) for path in PATHS],
    }
    return SchemathesisConfig.from_dict(config)


def _operation(path: str, only: str | None) -> dict[str, Any]:
    expected = ACCEPTABLE.get(path, ["2xx"])
    return {
        "include-path": path,
        "enabled": only in (None, path),
        "checks": {"positive_data_acceptance": {"expected-statuses": expected}},
    }


@schemathesis.check
def stream_ends_with_done(ctx: Any, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Fail for an event stream whose last event is not the last one of its API, which is [DONE] of OpenAI's.

    schemathesis looks at each event alone.
    """
    if not is_event_stream(response.headers.get("content-type", [""])[0]):
        return
    last = events_of(response.content)[-1:]
    if (kind := LAST_EVENTS.get(case.path)) is not None:
        assert [json.loads(each).get("type") for each in last] == [kind], f"the stream ends with {last!r}"
    else:
        assert last == ["[DONE]"], f"the stream ends with {last!r}"


@schemathesis.check
def error_has_a_code(ctx: Any, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """Fail for an error that no program can tell from another."""
    if response.status_code >= 400 and case.method != "HEAD":
        try:
            body = response.json()
            code = (body["error"] if isinstance(body["error"], dict) else body)["code"]
        except (ValueError, KeyError, TypeError):
            code = None
        assert code, "the error has no code"
