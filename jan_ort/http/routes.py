"""The routes: the document's operations and what answers them, and what a request needs to get there (hop 2)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel
from quart import Quart, Response, current_app, jsonify, request
from werkzeug.datastructures import Headers

from jan_ort._version import __version__
from jan_ort.ground.shown_text import PROMPTS, quoted
from jan_ort.http.api_error import ApiError
from jan_ort.http.asker import asker_fields, logged_asker
from jan_ort.http.body import read_body
from jan_ort.http.bug_records.failed_requests import begin_request
from jan_ort.http.caller import check_caller, is_admin
from jan_ort.http.connection import current_body, take_request
from jan_ort.http.front.paths import MIN_ID_LENGTH
from jan_ort.http.handlers import (
    chat,
    completions,
    embeddings,
    extras,
    health,
    messages,
    models,
    ollama,
    reranking,
    responses,
    status,
)
from jan_ort.http.metrics.scrape import Metrics
from jan_ort.http.pages.answers import answer_file, answer_page, wants_page
from jan_ort.http.pages.recent import RECENT
from jan_ort.http.parsing import parsed
from jan_ort.http.unknown_fields import UnknownFields
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings
from jan_ort_openapi import Operation, spec_bytes

prompts = logging.getLogger(PROMPTS)

MAX_LOGGED = 2**16
"""Bytes of a body that the log has at most."""

EXTENSION = "jan_ort"
"""Where the app keeps its :class:`Server` in ``app.extensions``."""

METRICS = "jan_ort_metrics"
"""Where it keeps its :class:`Metrics`."""

_OF_OLLAMA = ("", "application/x-www-form-urlencoded")
"""What LiteLLM says of its bodies for Ollama's API, and ``curl -d`` in that API's examples."""

_OF_PAGES = ("Origin", "Sec-Fetch-Site", "Referer")
"""What browsers say of the page that sends a POST: at least one of these, whatever the page asks for."""

Handler = Callable[..., Awaitable[Response]]

HANDLERS: Mapping[str, Handler] = {
    "create_completion_v1_completions_post": completions.create_completion,
    "create_chat_completion_v1_chat_completions_post": chat.create_chat_completion,
    "create_embedding_v1_embeddings_post": embeddings.create_embedding,
    "create_rerank_v1_rerank_post": reranking.create_rerank,
    "create_score_v1_score_post": reranking.create_score,
    "create_message_v1_messages_post": messages.create_message,
    "count_message_tokens_v1_messages_count_tokens_post": messages.count_message_tokens,
    "ollama_chat_api_chat_post": ollama.chat,
    "ollama_generate_api_generate_post": ollama.generate,
    "ollama_embed_api_embed_post": ollama.embed,
    "ollama_embeddings_api_embeddings_post": ollama.embeddings,
    "ollama_show_api_show_post": ollama.show,
    "ollama_tags_api_tags_get": ollama.tags,
    "ollama_ps_api_ps_get": ollama.ps,
    "ollama_version_api_version_get": ollama.version,
    "create_response_v1_responses_post": responses.create_response,
    "get_response_v1_responses__response_id__get": responses.get_response,
    "delete_response_v1_responses__response_id__delete": responses.delete_response,
    "list_input_items_v1_responses__response_id__input_items_get": responses.list_input_items,
    "cancel_response_v1_responses__response_id__cancel_post": responses.cancel_response,
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


_PARAMETERS = {
    "model": "path",  # a model's name may hold a slash
    "response_id": f"string(minlength={MIN_ID_LENGTH})",
}
"""The parameters of paths, each with what the framework takes for it."""


def bind_operation(app: Quart, operation: Operation, handler: Handler, unknown_fields: UnknownFields) -> None:
    """Add the route of one operation: key, content type, readiness, body, and then its handler."""

    async def view(**path: str) -> Response:
        server: Server = app.extensions[EXTENSION]
        if operation.secured:
            check_caller(server, changes_server=operation.changes_server)
        if operation.request_model is None:
            if operation.secured:
                take_request(server)
            return await handler(server, **path)
        _check_content_type(operation.path, request.headers)
        _check_content_encoding(request.headers.get("Content-Encoding"))
        take_request(server)
        return await handler(server, await _read(operation, server.settings, unknown_fields))

    rule = operation.path
    for name, parameter in _PARAMETERS.items():
        rule = rule.replace(f"{{{name}}}", f"<{parameter}:{name}>")
    app.add_url_rule(rule, operation.operation_id, view, methods=[operation.method], provide_automatic_options=False)


async def _read(operation: Operation, settings: Settings, unknown_fields: UnknownFields) -> BaseModel:
    """Return the request's body, of whose bytes nothing is left but what a failed request is told by."""
    raw = await read_body(current_body(), request)
    begin_request(raw)
    if settings.log_prompts:
        body = raw[:MAX_LOGGED].decode(errors="replace")
        told = {"path": operation.path, "body": body, **asker_fields()}
        prompts.info("%s%s: %s", operation.path, logged_asker(), body, extra={"fields": told})
    return await parsed(operation, raw, settings.max_body_values, unknown_fields)


def _check_content_type(path: str, headers: Headers) -> None:
    """Refuse a body that does not say it is JSON: any web page may send one, unasked, that says nothing."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in _OF_OLLAMA and path.startswith("/api/") and not any(name in headers for name in _OF_PAGES):
        return
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


def bind_operators(app: Quart) -> None:
    """Add the routes that no document describes: what this is, and what operators and their tools ask."""

    async def metrics() -> Response:
        server: Server = app.extensions[EXTENSION]
        check_caller(server, changes_server=False)
        scraped: Metrics = app.extensions[METRICS]
        return await asyncio.to_thread(scraped.answer, request.headers.get("Accept", ""))

    async def liveness() -> Response:
        return await health.get_liveness(app.extensions[EXTENSION])

    async def readiness() -> Response:
        return await health.get_health(app.extensions[EXTENSION])

    async def root() -> Response:
        server: Server = app.extensions[EXTENSION]
        return await answer_page("chat", server.settings) if wants_page(server.settings) else _about()

    async def state() -> Response:
        server: Server = app.extensions[EXTENSION]
        if wants_page(server.settings):
            return await answer_page("status", server.settings)
        check_caller(server, changes_server=False)
        return await status.get_status(server, app.extensions[RECENT], is_admin=is_admin(server))

    async def document_page() -> Response:
        return await answer_page("docs", app.extensions[EXTENSION].settings)

    async def page_file(name: str) -> Response:
        return await answer_file(name, app.extensions[EXTENSION].settings)

    views: dict[str, Callable[..., Awaitable[Response]]] = {
        "/": root,
        "/docs": document_page,
        "/status": state,
        "/pages/<path:name>": page_file,
        "/openapi.json": _answer_document,
        "/livez": liveness,
        "/readyz": readiness,
        "/metrics": metrics,
    }
    for path, view in views.items():
        app.add_url_rule(path, path, view, methods=["GET"], provide_automatic_options=False)


async def _answer_document() -> Response:
    return Response(spec_bytes(), content_type="application/json")


def _about() -> Response:
    """Say what this is, to whoever only looks whether anything is here."""
    server: Server = current_app.extensions[EXTENSION]
    paths = {"base_url": "/v1", "document": "/openapi.json", "health": "/health"}
    told = {name: f"{server.settings.root_path}{path}" for name, path in paths.items()}
    response = jsonify({"name": "jan-ort", "version": __version__, "object": "server"} | told)
    response.headers["Vary"] = "Accept"
    return response


async def check_path() -> None:
    """Refuse ``//v1/models``, which the framework takes for ``/v1/models``: a proxy's rules may not."""
    path = request.scope["path"]
    if not path.startswith("/"):  # of the form http://localhost/v1/models
        path = f"/{path.partition('://')[2].partition('/')[2]}"
    if path.startswith("//"):
        server: Server = current_app.extensions[EXTENSION]
        right = f"{server.settings.root_path}{quoted('/' + path.lstrip('/'), 200)}"
        raise ApiError(404, f"the path begins with two slashes; it is {right}", code="not_found")
