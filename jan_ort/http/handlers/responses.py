"""POST /v1/responses: answer a conversation of items; GET, DELETE, cancel and input_items of one that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from quart import Response, current_app, jsonify, request

from jan_ort.http.answering.answer import answer
from jan_ort.http.answering.json_answer import json_answer
from jan_ort.http.answering.run import GenerationRun
from jan_ort.http.api_error import bad_request
from jan_ort.http.connection import at_end, borrow
from jan_ort.http.responses.desk import RESPONSES, ResponseDesk
from jan_ort.http.responses.reading import check_request, own_items, read_response
from jan_ort.http.responses.shape import ResponseShape
from jan_ort.http.session_id import SESSION_HEADER, response_prefix
from jan_ort.serving.generative import GENERATING
from jan_ort.serving.server import Server
from jan_ort_openapi.models import CreateResponseRequest

_MAX_LISTED, _LISTED = 100, 20

_OF_EVENTS = ("stream", "starting_after", "include_obfuscation")
_INCLUDED = ("include", "include[]")


async def create_response(server: Server, body: CreateResponseRequest) -> Response:
    """Answer with what the assistant thinks, says and calls."""
    check_request(body)
    desk = _desk()
    before = await desk.items_before(body.previous_response_id or None)
    own = await desk.resolved(own_items(body))
    lease = await borrow(server.lend(GENERATING, body.model))
    plan = await read_response(body, lease.model, server.settings, before=before, own=own)
    run = GenerationRun(plan, response_prefix(request.headers.get(SESSION_HEADER)), lease.release)
    shape = ResponseShape(plan, run, desk.keeper() if plan.is_stored else None)
    desk.begin(run.id, shape)
    at_end(partial(desk.end, run.id))
    return await answer(run, shape)


async def get_response(server: Server, response_id: str) -> Response:
    """Answer with a response that is kept, or is being answered."""
    _refuse_in_query(_OF_EVENTS, "the events are sent where the response is created")
    _refuse_in_query(_INCLUDED, "what a response has is said where it is created")
    return jsonify(await _desk().response(response_id))


async def delete_response(server: Server, response_id: str) -> Response:
    """Forget a response."""
    await _desk().delete(response_id)
    return jsonify({"id": response_id, "object": "response", "deleted": True})


async def cancel_response(server: Server, response_id: str) -> Response:
    """End a response that is being answered."""
    return jsonify(await _desk().cancel(response_id))


async def list_input_items(server: Server, response_id: str) -> Response:
    """Answer with a part of the items that a response was generated from."""
    limit, order = request.args.get("limit", str(_LISTED)), request.args.get("order", "desc")
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:9]) <= _MAX_LISTED):
        raise bad_request("limit", f"limit must be a number from 1 to {_MAX_LISTED}, not {limit[:20]!r}")
    if order not in ("asc", "desc"):
        raise bad_request("order", f"order must be asc or desc, not {order[:20]!r}")
    _refuse_in_query(("before",), "use after, and order for the direction")
    _refuse_in_query(_INCLUDED, "an item is listed as it was given")
    items = await _desk().input_items(response_id)
    items = items if order == "asc" else items[::-1]
    if (after := request.args.get("after")) is not None:
        at = next((at for at, item in enumerate(items) if item["id"] == after), None)
        if at is None:
            raise bad_request("after", f"after must be the id of one of the items, not {after[:80]!r}")
        items = items[at + 1 :]
    page = items[: int(limit)]
    listed = {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": len(items) > len(page),
    }
    return await json_answer(lambda: listed, weight=sum(len(str(item)) for item in page) // 16)


def _refuse_in_query(names: Sequence[str], remedy: str) -> None:
    """Refuse parameters that other servers have. Raises: ApiError 400 that names the first one."""
    for name in names:
        if request.args.get(name, "false") not in ("", "false", "0"):
            raise bad_request(name, f"{name} is not supported here; {remedy}")


def _desk() -> ResponseDesk:
    desk: ResponseDesk = current_app.extensions[RESPONSES]
    return desk
