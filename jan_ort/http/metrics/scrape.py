"""Answers to Prometheus: on a path of the API, or on an address of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quart import Response

from jan_ort.ground.shown_text import quoted
from jan_ort.http.metrics.answered import Answered
from jan_ort.serving.server import Server
from jan_ort.settings.network import NetworkSettings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import CollectorRegistry

_OPENMETRICS = "application/openmetrics-text"


class MetricsAddressError(Exception):
    """Raised when the address for metrics alone cannot be listened on."""


@dataclass
class Metrics:
    """What is scraped of one server, and what only its app can count."""

    server: Server
    answered: Answered = field(default_factory=Counter)
    port: int | None = None
    """Where they are served alone."""
    _registry: CollectorRegistry | None = None

    def answer(self, accept: str) -> Response:
        """Return everything in the text format of Prometheus, or of OpenMetrics for whoever prefers that."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(keeping_colons(accept))
        return Response(encode(self.registry), content_type=content_type)

    @property
    def registry(self) -> CollectorRegistry:
        """Every metric of the server and its process."""
        if self._registry is None:  # the first scrape pays 0.1 s for the import, and not every start
            from jan_ort.http.metrics.collector import registry_of

            self._registry = registry_of(self.server, self.answered)
        return self._registry


def keeping_colons(accept: str) -> str:
    """Return an Accept header that asks for names as they are.

    In OpenMetrics, prometheus_client 0.26 writes a sample ``vllm:x`` as ``vllm_x`` for whoever does not say otherwise,
    as Prometheus 2 does not; a legal name needs no escaping for anybody.
    """
    return accept.replace(_OPENMETRICS, f"{_OPENMETRICS};version=1.0.0;escaping=allow-utf-8")


def _with_colons(app: WSGIApplication) -> WSGIApplication:
    def asked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app(environ | {"HTTP_ACCEPT": keeping_colons(environ.get("HTTP_ACCEPT", ""))}, start_response)

    return asked


def listen_apart(metrics: Metrics, settings: NetworkSettings) -> Callable[[], None]:
    """Serve the metrics alone, without a key, where the settings say so; return what ends that.

    Raises: MetricsAddressError.
    """
    if settings.metrics_port is None:
        return lambda: None
    from prometheus_client import start_http_server

    host, port = settings.metrics_host, settings.metrics_port
    try:
        listening, thread = start_http_server(port, host, metrics.registry)
    except (OSError, ValueError) as error:
        raise MetricsAddressError(
            f"cannot serve metrics on {quoted(host)}:{port}: {error}; choose another --metrics-host or --metrics-port"
        ) from error

    app = listening.get_app()
    assert app is not None, "start_http_server has set it"
    listening.set_app(_with_colons(app))
    metrics.port = listening.server_port

    def close() -> None:
        listening.shutdown()
        listening.server_close()
        thread.join()

    return close
