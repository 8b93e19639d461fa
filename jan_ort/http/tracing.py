"""OpenTelemetry's spans of a request: queue, prefill and decode, when its sequences have ended (hops 4 and 9).

Nothing of OpenTelemetry is imported, and nothing is read of a request, unless its own variables ask for traces.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

logger = logging.getLogger(__name__)

TRACING = "jan_ort_tracing"
"""Where an app keeps its :class:`Tracing` in ``app.extensions``."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_LAST_S = 3.0
"""What the last spans get to be sent in, when the server ends."""

_SYSTEM = "jan_ort"


@dataclass(frozen=True, slots=True)
class TracedRun:
    """What a span tells of a request; times are seconds of ``time.perf_counter``, None for what did not come."""

    id: str
    operation: str
    model: str
    started_at: float
    placed_at: float | None
    first_token_at: float | None
    num_prompt_tokens: int
    num_cached_tokens: int
    num_completion_tokens: int
    finish_reasons: tuple[str, ...]
    max_tokens: int
    temperature: float
    top_p: float
    failure: Exception | None


class Tracing:
    """Makes the spans of requests with OpenTelemetry's provider, which sends them in a thread of its own."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("jan_ort")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[bytes, bytes]) -> RequestTrace:
        """Return the trace of a request, which goes on from the one of its W3C headers, if it has them."""
        names = (b"traceparent", b"tracestate")
        carrier = {name.decode(): headers[name].decode("latin-1") for name in names if name in headers}
        return RequestTrace(self, self._propagator.extract(carrier))

    def write(self, run: TracedRun, parent: Context) -> None:
        """Write the spans of a request that has just ended."""
        from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

        ended_at = time.perf_counter()
        offset_ns = time.time_ns() - int(ended_at * 1e9)

        def at(seconds: float) -> int:
            return offset_ns + int(seconds * 1e9)

        span = self._tracer.start_span(
            f"{run.operation} {run.model}", parent, SpanKind.SERVER, _attributes(run), start_time=at(run.started_at)
        )
        inner = set_span_in_context(span, parent)
        for name, begin, end in _phases(run, ended_at):
            self._tracer.start_span(name, inner, start_time=at(begin)).end(at(end))
        if run.failure is not None:
            span.set_attribute("error.type", type(run.failure).__name__)
            span.set_status(StatusCode.ERROR)
        span.end(at(ended_at))

    def close(self) -> None:
        """Send what is left, unless that takes too long."""
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(_LAST_S)


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Where a request's spans belong."""

    tracing: Tracing
    parent: Context

    def write(self, run: TracedRun) -> None:
        """Write the spans of one of its runs."""
        self.tracing.write(run, self.parent)


def _phases(run: TracedRun, ended_at: float) -> list[tuple[str, float, float]]:
    """Return the phases that a run came to, each with its begin and end."""
    begins = [("queue", run.started_at), ("prefill", run.placed_at), ("decode", run.first_token_at)]
    there = [(name, at) for name, at in begins if at is not None]
    ends = [at for _, at in there[1:]] + [ended_at]
    return [(name, begin, end) for (name, begin), end in zip(there, ends, strict=True)]


def _attributes(run: TracedRun) -> dict[str, str | int | float | tuple[str, ...]]:
    """Return the attributes of the GenAI semantic conventions; prompts and answers are none of them."""
    return {
        "gen_ai.operation.name": run.operation,
        "gen_ai.provider.name": _SYSTEM,
        "gen_ai.request.model": run.model,
        "gen_ai.response.model": run.model,
        "gen_ai.response.id": run.id,
        "gen_ai.request.max_tokens": run.max_tokens,
        "gen_ai.request.temperature": run.temperature,
        "gen_ai.request.top_p": run.top_p,
        "gen_ai.usage.input_tokens": run.num_prompt_tokens,
        "gen_ai.usage.cache_read.input_tokens": run.num_cached_tokens,
        "gen_ai.usage.output_tokens": run.num_completion_tokens,
        "gen_ai.response.finish_reasons": run.finish_reasons,
    }


def begin_tracing() -> Tracing | None:
    """Return what OpenTelemetry's variables ask for, None if that is nothing or cannot be; the log says why."""
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none"
    if is_off or not (exporter or any(map(os.environ.get, _ENDPOINTS))):
        return None
    if importlib.util.find_spec("opentelemetry") is None or importlib.util.find_spec("opentelemetry.sdk") is None:
        logger.warning('no traces are sent, though variables ask for them: pip install "jan-ort[otel]"')
        return None
    made = _exporter(exporter or "otlp")
    return None if made is None else Tracing(provider_of(made))


def _exporter(name: str) -> SpanExporter | None:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter()
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if name != "otlp" or protocol not in (None, "", "http/protobuf"):
        logger.warning(
            "no traces are sent: OTEL_TRACES_EXPORTER is %r (otlp, console and none are known) and the protocol %r "
            "(http/protobuf is); set them so",
            name,
            protocol,
        )
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def provider_of(exporter: SpanExporter) -> TracerProvider:
    """Return a provider as the variables want it (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_BSP_*)."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    is_named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    # The server stops it in time itself; at the exit of Python a collector that is gone would hold it up.
    provider = TracerProvider(
        resource=Resource.create({} if is_named else {"service.name": "jan-ort"}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider
