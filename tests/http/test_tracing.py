"""OpenTelemetry: the spans of a request as an exporter gets them, and nothing where nobody asks for them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from quart import Quart

from jan_ort.http.tracing import TRACING, Tracing, begin_tracing
from tests.http.handlers.serving import CHAT, COMPLETIONS, HELLO, complete, engine_of, post, serving, stream, until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
async def traced(exporter: InMemorySpanExporter) -> AsyncIterator[Quart]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with serving() as app:
        app.extensions[TRACING] = Tracing(provider)
        yield app


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {each.name: each for each in exporter.get_finished_spans()}


def times(span: ReadableSpan) -> tuple[int, int]:
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time, span.end_time


async def test_a_request_has_its_phases_one_after_the_other(traced: Quart, exporter: InMemorySpanExporter) -> None:
    answer = await complete(traced.test_client(), max_tokens=4)
    spans = by_name(exporter)

    assert list(spans) == ["queue", "prefill", "decode", "text_completion reference"]
    whole = times(spans["text_completion reference"])
    marks = [times(spans[name]) for name in ("queue", "prefill", "decode")]
    assert [whole[0], *(end for _, end in marks)] == [*(begin for begin, _ in marks), whole[1]]
    attributes = spans["text_completion reference"].attributes or {}
    told = answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]
    assert (attributes["gen_ai.usage.input_tokens"], attributes["gen_ai.usage.output_tokens"]) == told
    assert attributes["gen_ai.response.finish_reasons"] == ("length",)
    assert (attributes["gen_ai.request.max_tokens"], attributes["gen_ai.request.temperature"]) == (4, 0)
    assert "Hello" not in str(attributes)


async def test_it_goes_on_in_the_callers_trace(traced: Quart, exporter: InMemorySpanExporter) -> None:
    await post(traced.test_client(), CHAT, {"messages": HELLO, "max_tokens": 2}, traceparent=PARENT, tracestate="a=b")
    spans = exporter.get_finished_spans()

    assert {f"{each.context.trace_id:032x}" for each in spans if each.context} == {PARENT[3:35]}
    (root,) = [each for each in spans if each.name == "chat reference"]
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == PARENT[36:52]
    assert {each.parent.span_id for each in spans if each is not root and each.parent} == {root.context.span_id}  # type: ignore[union-attr]


async def test_a_stream_and_a_header_that_is_none_have_a_trace_of_their_own(
    traced: Quart, exporter: InMemorySpanExporter
) -> None:
    await stream(traced.test_client(), COMPLETIONS, {"prompt": "a", "max_tokens": 2})
    await post(traced.test_client(), COMPLETIONS, {"prompt": "a", "max_tokens": 2}, traceparent="of no form")

    roots = [each for each in exporter.get_finished_spans() if each.name.startswith("text_completion")]
    assert [each.parent for each in roots] == [None, None]
    assert len({each.context.trace_id for each in roots if each.context}) == 2


async def test_a_failure_is_told_by_its_kind(
    traced: Quart, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = engine_of(traced)._runner  # type: ignore[attr-defined]

    def fail(*_: Any) -> None:
        raise RuntimeError("no step")

    monkeypatch.setattr(runner, "run", fail)
    status, _ = await post(traced.test_client(), COMPLETIONS, {"prompt": "a", "max_tokens": 2})

    root = by_name(exporter)["text_completion reference"]
    assert status >= 500
    assert "error.type" in (root.attributes or {})
    assert not root.status.is_ok


@pytest.mark.parametrize(
    "variables",
    [{}, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}],
)
def test_nothing_is_imported_where_nobody_asks(variables: dict[str, str]) -> None:
    code = (
        "import sys, jan_ort.http.app, jan_ort.http.hypercorn_server\n"
        "from jan_ort.http.tracing import begin_tracing\n"
        "assert begin_tracing() is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    kept = {"PATH": "", "SYSTEMROOT": "C:\\Windows"}

    result = subprocess.run(
        [sys.executable, "-c", code], env=kept | variables, capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "zipkin"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_what_cannot_be_sent_is_told(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert begin_tracing() is None
    assert "no traces are sent" in caplog.text


async def test_a_collector_gets_what_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        Thread(target=collector.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        async with serving() as app:
            await complete(app.test_client(), max_tokens=2)
        await asyncio.to_thread(collector.shutdown)

    (resource,) = ExportTraceServiceRequest.FromString(bodies[0]).resource_spans
    about = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (about["service.name"], about["deployment.environment.name"]) == ("jan-ort", "test")
    assert [each.name for each in resource.scope_spans[0].spans][:3] == ["queue", "prefill", "decode"]


async def test_a_collector_that_is_gone_holds_up_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

    async with asyncio.timeout(20), serving() as app:
        await complete(app.test_client(), max_tokens=2)
        await until(lambda: engine_of(app).num_queued == 0)
