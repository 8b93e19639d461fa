"""Every error of a request as the answer that it gets (hop 2)."""

from __future__ import annotations

import logging
from urllib.parse import unquote

from quart import Response, current_app, jsonify, request
from werkzeug.exceptions import HTTPException, NotFound

from jan_ort.ground.shown_text import quoted
from jan_ort.http.api_error import ApiError
from jan_ort.http.asker import logged_asker
from jan_ort.http.bug_records.failed_requests import failure_note
from jan_ort.http.error_bodies import told_as
from jan_ort.http.error_table import to_api_error
from jan_ort.http.front.paths import POLLED, not_found
from jan_ort.http.pages.recent import RECENT
from jan_ort.http.routes import EXTENSION
from jan_ort.serving.server import Server

logger = logging.getLogger(__name__)


async def answer_error(error: Exception) -> Response:
    """Answer any exception with JSON: the table's status, body and headers."""
    answer = _from_http(error) if isinstance(error, HTTPException) else to_api_error(error)
    # Without the message, which may repeat what the client sent.
    param = f", param {quoted(answer.param)}" if answer.param else ""
    level = logging.DEBUG if request.path in POLLED else logging.INFO
    about = answer.status, answer.code, param, logged_asker()
    logger.log(level, "%s %s %d %s%s%s", request.method, quoted(request.path, 200), *about)
    failure_note()(answer)
    current_app.extensions[RECENT].errors.note(answer)
    status, body = told_as(request.path, answer)
    response = jsonify(body)
    response.status_code = status
    response.headers.update(answer.headers)
    return response


def _from_http(error: HTTPException) -> ApiError:
    """Return the JSON form of what the framework refuses: an unknown path, a wrong method, a body too large."""
    message = _not_found() if isinstance(error, NotFound) else error.description or error.name
    answer = ApiError(error.code or 500, message, code=error.name.lower().replace(" ", "_"))
    answer.headers.update({k: v for k, v in error.get_headers() if k in ("Allow", "Retry-After")})
    return answer


def _not_found() -> str:
    """Return what a client is told of a path at which nothing is served; the front may have spelt it otherwise."""
    server: Server = current_app.extensions[EXTENSION]
    asked = unquote(request.scope["raw_path"].partition(b"?")[0].decode("latin-1"))
    return not_found(request.path, asked=asked, root_path=server.settings.root_path)
