"""GET /health: 200 once everything configured is loaded, 503 before and while stopping."""

from __future__ import annotations

from quart import Response, jsonify

from jan_ort.serving.server import Server


async def get_health(server: Server) -> Response:
    """Answer with ``ok``, or with the error that every operation gets now."""
    server.check_ready()
    return jsonify({"status": "ok"})
