"""The ASGI app: routes bound from the document, one edge for every request (hops 1 and 2)."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from pydantic import BaseModel
from quart import Quart, Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException

from jan_ort.ground.shown_text import quoted, show_log_lines_safely
from jan_ort.http.api_error import ApiError
from jan_ort.http.auth import check_request
from jan_ort.http.body import read_body
from jan_ort.http.body_budget import BodyBudget, allowed_bytes
from jan_ort.http.bug_records.failed_requests import begin_request, failure_note, keep_failed
from jan_ort.http.connection import BODIES, TidyConnection, current_body, take_request
from jan_ort.http.error_table import to_api_error
from jan_ort.http.handlers import chat, completions, embeddings, extras, health, models
from jan_ort.http.parsing import parsed
from jan_ort.http.shutdown import UNKNOWN_GRACE_S, stop_when_told
from jan_ort.http.unknown_fields import UnknownFields
from jan_ort.http.websocket import RefusedWebsocket
from jan_ort.serving.choice import Checked
from jan_ort.serving.memory import leave_out_of_collections
from jan_ort.serving.server import Server
from jan_ort.serving.serving_errors import NotServing
from jan_ort.settings.schema import Settings
from jan_ort_openapi import Operation, operations, spec_bytes

logger = logging.getLogger(__name__)

EXTENSION = "jan_ort"
"""Where the app keeps its :class:`Server` in ``app.extensions``."""

STOPPER = "jan_ort_stopper"
"""Where it keeps the task that hears of a shutdown."""

HASTENER = "jan_ort_hastener"
"""Where it keeps the task that ends the wait for bodies then."""

BODY_GRACE_S = 5.0
"""What a body gets to become whole once the server stops: nothing is computed for it yet, and it can be sent again."""

Handler = Callable[..., Awaitable[Response]]

HANDLERS: Mapping[str, Handler] = {
    "create_completion_v1_completions_post": completions.create_completion,
    "create_chat_completion_v1_chat_completions_post": chat.create_chat_completion,
    "create_embedding_v1_embeddings_post": embeddings.create_embedding,
    "get_models_v1_models_get": models.get_models,
    "get_model_v1_models__model__get": models.get_model,
    "tokenize_extras_tokenize_post": extras.tokenize,
    "count_query_tokens_extras_tokenize_count_post": extras.count_tokens,
    "detokenize_extras_detokenize_post": extras.detokenize,
    "load_models_models_load_post": models.load_models,
    "unload_models_models_unload_post": models.unload_models,
    "get_health_health_get": health.get_health,
}
"""The operations of the document, each with the function that answers it."""


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
        server = Server(settings or Settings.read(), checked=checked, on_failure=on_failure)
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
        server = begin()
        app.config["MAX_CONTENT_LENGTH"] = server.settings.max_body_bytes
        app.extensions[EXTENSION] = server
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

    @app.after_serving
    async def stop() -> None:
        for each in (STOPPER, HASTENER):
            if each in app.extensions:
                app.extensions[each].cancel()
        await app.extensions[EXTENSION].stop()

    unknown_fields = UnknownFields()
    for operation in operations():
        _bind(app, operation, HANDLERS[operation.operation_id], unknown_fields)
    app.add_url_rule("/openapi.json", "openapi", _openapi, methods=["GET"])
    app.before_request(_check_path)
    app.register_error_handler(Exception, _answer_error)
    app.after_request(_leave_if_stopping)
    return app


async def _hasten(server: Server, bodies: BodyBudget) -> None:
    """Refuse what is not whole soon after the server has begun to stop, so that half a body does not hold it up."""
    await server.draining.wait()
    await asyncio.sleep(BODY_GRACE_S)
    bodies.refuse_unfinished(NotServing(server.status, None))


def _guard_hypercorn(server: Server) -> None:
    from jan_ort.http.protocol.installation import install

    install(server.settings.max_connections, server.drained)


def _bind(app: Quart, operation: Operation, handler: Handler, unknown_fields: UnknownFields) -> None:
    """Add the route of one operation: key, content type, readiness, body, and then its handler."""

    async def view(**path: str) -> Response:
        server: Server = app.extensions[EXTENSION]
        if operation.secured:
            address = request.scope.get("client")
            headers = request.headers
            peer = address[0] if address else None
            asker = headers.get("Authorization"), peer, headers.get("Host")
            check_request(server.settings, *asker, changes_server=operation.changes_server)
        if operation.request_model is None:
            if operation.secured:
                take_request(server)
            return await handler(server, **path)
        _check_content_type(request.headers.get("Content-Type"))
        _check_content_encoding(request.headers.get("Content-Encoding"))
        take_request(server)
        return await handler(server, await _read(operation, server.settings.max_body_values, unknown_fields))

    rule = operation.path.replace("{model}", "<path:model>")  # a model's name may hold a slash
    app.add_url_rule(rule, operation.operation_id, view, methods=[operation.method], provide_automatic_options=False)


async def _read(operation: Operation, max_values: int, unknown_fields: UnknownFields) -> BaseModel:
    """Return the request's body, of whose bytes nothing is left but what a failed request is told by."""
    raw = await read_body(current_body(), request)
    begin_request(raw)
    return await parsed(operation, raw, max_values, unknown_fields)


def _check_content_type(content_type: str | None) -> None:
    """Refuse a body that does not say it is JSON: any web page may send one, unasked, that says nothing."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(
            415, f"the body's content type is {kind!r}; send 'Content-Type: application/json'", code="not_json"
        )


def _check_content_encoding(encoding: str | None) -> None:
    """Refuse a body that is compressed: read as it is, it would be wrong JSON."""
    kinds = [each.strip().lower() for each in (encoding or "").split(",")]
    if any(each not in ("", "identity") for each in kinds):
        message = f"the body's content encoding is {encoding!r}; send it uncompressed, without 'Content-Encoding'"
        error = ApiError(415, message, code="content_encoding")
        error.headers["Accept-Encoding"] = "identity"
        raise error


async def _check_path() -> None:
    """Refuse ``//v1/models``, which the framework takes for ``/v1/models``: a proxy's rules may not."""
    path = request.scope["path"]
    if not path.startswith("/"):  # of the form http://localhost/v1/models
        path = f"/{path.partition('://')[2].partition('/')[2]}"
    if path.startswith("//"):
        raise ApiError(
            404, f"the path begins with two slashes; it is {quoted('/' + path.lstrip('/'), 200)}", code="not_found"
        )


async def _openapi() -> Response:
    return Response(spec_bytes(), content_type="application/json")


async def _answer_error(error: Exception) -> Response:
    """Answer any exception with JSON: the table's status, body and headers."""
    answer = _from_http(error) if isinstance(error, HTTPException) else to_api_error(error)
    # Without the message, which may repeat what the client sent.
    about = answer.status, answer.code, quoted(answer.param) if answer.param else None
    logger.info("%s %s is answered %d (code %s, param %s)", request.method, quoted(request.path, 200), *about)
    failure_note()(answer)
    response = jsonify(answer.body)
    response.status_code = answer.status
    response.headers.update(answer.headers)
    return response


async def _leave_if_stopping(response: Response) -> Response:
    """Let go of the body, and tell a client of HTTP/1.1 that its next request needs another connection."""
    current_body().discard()
    server: Server = current_app.extensions[EXTENSION]
    if server.is_stopping and request.http_version.startswith("1."):  # HTTP/2 has no such header
        response.headers["Connection"] = "close"
    return response


def _from_http(error: HTTPException) -> ApiError:
    """Return the JSON form of what the framework refuses: an unknown path, a wrong method, a body too large."""
    answer = ApiError(error.code or 500, error.description or error.name, code=error.name.lower().replace(" ", "_"))
    answer.headers.update({k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After")})
    return answer
