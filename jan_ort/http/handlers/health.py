"""GET /health and /readyz: 200 once everything configured is loaded, 503 before, while stopping, and once an engine has
failed. GET /livez: 200 until nothing but a new process helps."""

from __future__ import annotations

from quart import Response, jsonify

from jan_ort.http.api_error import ApiError
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.server import Server, Status


async def get_health(server: Server) -> Response:
    """Answer with ``ok``, or with the error that every operation gets now."""
    server.check_ready()
    _check_engines(server)
    return jsonify({"status": "ok"})


async def get_liveness(server: Server) -> Response:
    """Answer with ``ok`` while the process may still be of use: as it loads, serves and stops."""
    if server.status is Status.FAILED:
        server.check_ready()
    _check_engines(server)
    return jsonify({"status": "ok"})


def _check_engines(server: Server) -> None:
    for resident in server.roster.residents:
        if isinstance(resident.model, GenerativeModel) and (failure := resident.model.engine.failure) is not None:
            raise ApiError(503, f"{resident.name}: {failure}", code="engine_failed") from failure
