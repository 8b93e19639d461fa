"""The ASGI app: routes bound from the document, one edge for every request (hops 1 and 2)."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from functools import partial

from quart import Quart, Response, current_app, request

from jan_ort.ground.shown_text import log_as, log_to_stderr, show_log_lines_safely
from jan_ort.http.auth import check_keys
from jan_ort.http.body_budget import BodyBudget, allowed_bytes
from jan_ort.http.bug_records.failed_requests import keep_failed
from jan_ort.http.caller import KEYS
from jan_ort.http.connection import BODIES, TidyConnection, current_body
from jan_ort.http.error_answers import answer_error
from jan_ort.http.front.front import Front
from jan_ort.http.keys import ApiKeys
from jan_ort.http.metrics.answered import count_answer
from jan_ort.http.metrics.scrape import Metrics, MetricsAddressError, listen_apart
from jan_ort.http.pages.recent import RECENT, Recent
from jan_ort.http.responses.desk import RESPONSES, ResponseDesk
from jan_ort.http.routes import (
    EXTENSION,
    HANDLERS,
    METRICS,
    bind_operation,
    bind_operators,
    check_path,
)
from jan_ort.http.shutdown import UNKNOWN_GRACE_S, stop_when_told
from jan_ort.http.tracing import TRACING, begin_tracing
from jan_ort.http.unknown_fields import UnknownFields
from jan_ort.http.websocket import RefusedWebsocket
from jan_ort.serving.choice import Checked
from jan_ort.serving.memory import leave_out_of_collections
from jan_ort.serving.server import Server
from jan_ort.serving.serving_errors import NotServing
from jan_ort.settings.schema import Settings
from jan_ort_openapi import operations

logger = logging.getLogger(__name__)

STOPPER = "jan_ort_stopper"
"""Where it keeps the task that hears of a shutdown."""

CLOSE_METRICS = "jan_ort_close_metrics"
"""Where it keeps what ends the address of the metrics alone."""

HASTENER = "jan_ort_hastener"
"""Where it keeps the task that ends the wait for bodies then."""

FORGETTER = "jan_ort_forgetter"
"""Where it keeps the task that deletes expired responses."""

BODY_GRACE_S = 5.0
"""What a body gets to become whole once the server stops: nothing is computed for it yet, and it can be sent again."""


def create_app(
    settings: Settings | None = None,
    *,
    checked: Checked | None = None,
    on_failure: Callable[[Exception], None] | None = None,
) -> Quart:
    """Return the app. Settings that are not given are read from the environment when serving starts.

    ``checked`` spares checking the given settings again. ``on_failure`` is called if the models cannot be loaded;
    without it the app stays up and answers 503.
    """

    def begin() -> Server:
        read = settings or Settings.read()
        check_keys(read)
        server = Server(read, checked=checked, on_failure=on_failure)
        server.start()
        return server

    # Whoever gives settings stops the app in time; hypercorn's command does not.
    return build_app(begin, hears_signals=settings is None)


def build_app(begin: Callable[[], Server], *, hears_signals: bool) -> Quart:
    """Return the app over a server that ``begin`` has started; it is called when serving starts."""
    show_log_lines_safely()
    app = Quart("jan_ort", static_folder=None)
    app.asgi_http_class = TidyConnection
    app.asgi_websocket_class = RefusedWebsocket
    app.url_map.merge_slashes = False  # a redirect is no answer of the document: "a//b" is just an unknown model
    app.config["RESPONSE_TIMEOUT"] = None  # generations take as long as they take
    app.config["BODY_TIMEOUT"] = 60

    @app.before_serving
    async def start() -> None:
        await _start(app, begin(), hears_signals=hears_signals)

    @app.after_serving
    async def stop() -> None:
        await _stop(app)

    unknown_fields = UnknownFields()
    for operation in operations():
        bind_operation(app, operation, HANDLERS[operation.operation_id], unknown_fields)
    bind_operators(app)
    app.before_request(check_path)
    app.register_error_handler(Exception, answer_error)
    app.after_request(_count)
    app.after_request(_leave_if_stopping)
    app.asgi_app = Front(  # type: ignore[method-assign]
        app.asgi_app, lambda: app.extensions[EXTENSION].settings, lambda: app.extensions.get(TRACING)
    )
    return app


async def _start(app: Quart, server: Server, *, hears_signals: bool) -> None:
    """Give the app what its requests need of a server that has begun to load."""
    if hears_signals:
        _log_unless_somebody_does(server.settings)
        _tell_of_tls(server.settings)
    app.config["MAX_CONTENT_LENGTH"] = server.settings.max_body_bytes
    app.extensions[EXTENSION] = server
    app.extensions[KEYS] = ApiKeys(server.settings)
    app.extensions[METRICS] = metrics = Metrics(server)
    try:
        app.extensions[CLOSE_METRICS] = listen_apart(metrics, server.settings)
    except MetricsAddressError:
        await server.stop()
        raise
    app.extensions[RECENT] = Recent(server.settings)
    app.extensions[TRACING] = begin_tracing()
    app.extensions[RESPONSES] = desk = ResponseDesk(server.settings)
    app.extensions[FORGETTER] = asyncio.create_task(desk.forget_expired())
    app.extensions[BODIES] = bodies = BodyBudget(allowed_bytes(server.settings))
    app.extensions[HASTENER] = asyncio.create_task(_hasten(server, bodies))
    keep_failed(app, server)
    leave_out_of_collections()
    if "hypercorn.asyncio.run" in sys.modules:  # it serves us, by our command or by its own
        _guard_hypercorn(server)
    if hears_signals:
        drain_s = server.settings.drain_s
        stop = partial(server.stop, UNKNOWN_GRACE_S if drain_s is None else drain_s)
        app.extensions[STOPPER] = asyncio.create_task(stop_when_told(stop))


async def _stop(app: Quart) -> None:
    for each in (STOPPER, HASTENER, FORGETTER):
        if each in app.extensions:
            app.extensions[each].cancel()
    await asyncio.to_thread(app.extensions[CLOSE_METRICS])
    await app.extensions[EXTENSION].stop()
    app.extensions[RESPONSES].close()
    app.extensions[RECENT].log.close()
    if (tracing := app.extensions[TRACING]) is not None:
        await asyncio.to_thread(tracing.close)


async def _hasten(server: Server, bodies: BodyBudget) -> None:
    """Refuse what is not whole soon after the server has begun to stop, so that half a body does not hold it up."""
    await server.draining.wait()
    await asyncio.sleep(BODY_GRACE_S)
    bodies.refuse_unfinished(NotServing(server.status, None))


def _log_unless_somebody_does(settings: Settings) -> None:
    """Set up the log where a server's own command has set up its own only, as hypercorn's does; ours has that too."""
    if logging.getLogger().handlers:
        return
    log_to_stderr(logging.INFO)
    log_as(settings.log_level, in_json=settings.log_format == "json")
    logging.getLogger("hypercorn.error").addFilter(_in_our_log)


def _in_our_log(record: logging.LogRecord) -> bool:
    """Leave a line of hypercorn's to our log: hypercorn has it on stderr, too, from its first line on."""
    theirs = logging.getLogger(record.name)
    theirs.handlers = [each for each in theirs.handlers if type(each) is not logging.StreamHandler]
    return record.levelno >= logging.getLogger().level


def _tell_of_tls(settings: Settings) -> None:
    if settings.tls_cert is not None:
        logger.warning("tls_cert is for 'jan-ort serve'; give hypercorn --certfile and --keyfile")


def _guard_hypercorn(server: Server) -> None:
    from jan_ort.http.protocol.installation import install

    install(server.settings.max_connections, server.drained)


async def _count(response: Response) -> Response:
    metrics: Metrics = current_app.extensions[METRICS]
    count_answer(metrics.answered, response)
    return response


async def _leave_if_stopping(response: Response) -> Response:
    """Let go of the body, and tell a client of HTTP/1.1 that its next request needs another connection."""
    current_body().discard()
    server: Server = current_app.extensions[EXTENSION]
    if server.is_stopping and request.http_version.startswith("1."):  # HTTP/2 has no such header
        response.headers["Connection"] = "close"
    return response
