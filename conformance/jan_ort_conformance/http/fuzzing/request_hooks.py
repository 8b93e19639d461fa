"""What happens around each fuzzed request: generations are bounded, and a server that died is brought back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
import schemathesis
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER, HookContext
from urllib3.exceptions import ReadTimeoutError

from jan_ort_conformance.http.fuzzing.findings import Findings, curl_of
from jan_ort_conformance.http.fuzzing.generation_limits import bounded
from jan_ort_conformance.http.server.events import is_event_stream
from jan_ort_conformance.http.server.server_process import ServerGone, ServerProcess
from jan_ort_conformance.http.server.target import Target

ANSWERS = "answers"
"""The check that each request is answered at all."""


@contextmanager
def hooks_of(
    max_tokens: int, server: ServerProcess, findings: Findings, target: Target, limit_time: Callable[[], None]
) -> Iterator[None]:
    """Bound what each request generates and the time of all, and bring the server back when it dies or hangs."""

    def before_call(context: HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
        limit_time()
        kwargs["hooks"] = {"response": read_body}
        if isinstance(case.body, dict):
            case.body = bounded(case.operation.path, case.body, max_tokens)

    def after_network_error(
        context: HookContext, case: schemathesis.Case[Any], request: requests.PreparedRequest
    ) -> None:
        error = sys.exception()  # schemathesis handles it now, and does not hand it on
        findings.lose(case, request, target)
        repeat = curl_of(request.method, request.url, request.headers.get("Content-Type"), request.body, target)
        try:
            came_back = server.recover(hung=isinstance(error, requests.Timeout))
        except ServerGone as gone:
            came_back = findings.gone = str(gone)
        findings.fail(ANSWERS, f"{_silence(error, target.patience_for(4 * max_tokens))}; {came_back}", repeat)

    hooks: list[Callable[..., Any]] = [before_call, after_network_error]
    for hook in hooks:
        GLOBAL_HOOK_DISPATCHER.register_hook_with_name(hook, hook.__name__)
    try:
        yield
    finally:
        for hook in hooks:
            GLOBAL_HOOK_DISPATCHER.unregister(hook)


def read_body(response: requests.Response, *_: Any, **__: Any) -> None:
    """Read an answer that is no stream of events as soon as it begins (a response hook of requests).

    Raises: requests.Timeout, requests.ConnectionError if it breaks off, which reaches ``after_network_error`` only
    with the request in it; requests itself leaves that out.
    """
    if is_event_stream(response.headers.get("Content-Type")):
        return
    try:
        response.content  # noqa: B018  (a property that reads)
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        if any(isinstance(each, ReadTimeoutError) for each in error.args):
            raise requests.Timeout(*error.args, request=response.request) from error
        error.request = response.request
        raise


def _silence(error: BaseException | None, timeout_s: float) -> str:
    """Say how the server fell silent under a request."""
    if isinstance(error, requests.Timeout):
        return f"the server did not answer within {timeout_s:.3g} s"
    return f"the server closed the connection: {type(error).__name__}"
