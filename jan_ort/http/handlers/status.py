"""GET /status: what runs where, once as JSON or again and again as events; the log, too, for the admin."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from quart import Response, jsonify, request

from jan_ort._version import __version__
from jan_ort.engine.engine import Engine
from jan_ort.http.handlers.models import describe
from jan_ort.http.pages.recent import Recent
from jan_ort.http.sse import HEADERS, named_frame
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.resident import Resident
from jan_ort.serving.server import Server

INTERVAL_S = 1.0

MAX_S = 600.0
"""A stream ends after so long, so that a key that is taken away opens none for ever; the page asks again."""


async def get_status(server: Server, recent: Recent, *, is_admin: bool) -> Response:
    """Answer with the state of now, or for ``Accept: text/event-stream`` with one a second."""
    if "text/event-stream" in request.accept_mimetypes.values():
        return Response(_events(server, recent, is_admin=is_admin), headers=HEADERS)
    log = recent.log.since(0)[0] if is_admin else None
    return jsonify(_state(server, recent) | {"log": log})


async def _events(server: Server, recent: Recent, *, is_admin: bool) -> AsyncIterator[bytes]:
    number, until = 0, time.monotonic() + MAX_S
    while not server.drained.is_set() and time.monotonic() < until:
        yield named_frame({"type": "status"} | _state(server, recent))
        if is_admin:
            lines, number = recent.log.since(number)
            if lines:
                yield named_frame({"type": "log", "lines": lines})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(INTERVAL_S):
                await server.drained.wait()


def _state(server: Server, recent: Recent) -> dict[str, Any]:
    return {
        "object": "status",
        "version": __version__,
        "time": time.time(),
        "since": recent.since_s,
        "status": server.status,
        "process": _process(),
        "models": [_model(each, server) for each in server.roster.residents],
        "errors": recent.errors.listed(),
        "log_needs": "admin_key" if server.settings.admin_key else "admin_key_setting",
    }


def _process() -> dict[str, int]:
    import psutil  # type: ignore[import-untyped,unused-ignore]  # late: it takes 60 ms of a start

    process = psutil.Process()
    return {"memory_bytes": process.memory_info().rss, "num_threads": process.num_threads()}


def _model(resident: Resident, server: Server) -> dict[str, Any]:
    engine = resident.model.engine if isinstance(resident.model, GenerativeModel) else None
    told = {"is_busy": resident.is_busy, "engine": None if engine is None else _engine(engine)}
    return describe([resident], server.settings) | told


def _engine(engine: Engine) -> dict[str, Any]:
    """Return how busy an engine is, and what it has counted since its model was loaded."""
    load, counts = engine.load, engine.statistics
    (_, num_first) = counts.first_token_s.cumulated()[-1]
    return {
        "num_running": load.num_running,
        "num_waiting": load.num_waiting,
        "num_slots": load.num_slots,
        "cache_usage": load.cache_usage,
        "num_prompt_tokens": counts.num_prompt_tokens,
        "num_cached_tokens": counts.num_cached_tokens,
        "num_generated_tokens": counts.num_generated_tokens,
        "num_ended": dict(counts.num_ended),
        "first_token_s": counts.first_token_s.total / num_first if num_first else None,
        "failure": None if engine.failure is None else str(engine.failure),
    }
