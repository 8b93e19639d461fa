"""GET /v1/models and /v1/models/{model}: what is served; POST /models/load and /models/unload: what is in memory."""

from __future__ import annotations

import asyncio
from typing import Any

from quart import Response, jsonify

from jan_ort.ground.task import GENERATE
from jan_ort.serving.resident import Residency, Resident
from jan_ort.serving.served_tasks import served_task
from jan_ort.serving.server import Server
from jan_ort.settings.schema import Settings
from jan_ort_openapi.models import CreateChatCompletionRequest, ModelSelection

_DEFAULTS = (
    "temperature",
    "top_p",
    "min_p",
    "top_k",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
    "mirostat_mode",
    "mirostat_tau",
    "mirostat_eta",
    "max_tokens",
)
"""Fields of a chat whose values a client may want to know that leaves them out."""


async def get_models(server: Server) -> Response:
    """Answer with the list of the configured models, loaded or not."""
    described = [describe(each, server.settings) for each in server.roster.by_name().values()]
    return jsonify({"object": "list", "data": described})


async def get_model(server: Server, model: str) -> Response:
    """Answer with one model by its name."""
    return jsonify(describe(server.roster.named(model), server.settings))


async def load_models(server: Server, body: ModelSelection) -> Response:
    """Load the named model, or all that are not, and answer once they are loaded."""
    chosen = server.roster.named(body.model)
    outcomes = await asyncio.gather(*(each.load(retry=True) for each in chosen), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome
    return _changed(server, chosen)


async def unload_models(server: Server, body: ModelSelection) -> Response:
    """Unload the named model, or all that are loaded, each as soon as nobody uses it; answer once they are unloaded."""
    chosen = server.roster.named(body.model)
    await asyncio.gather(*(each.unload() for each in chosen))
    return _changed(server, chosen)


def _changed(server: Server, chosen: list[Resident]) -> Response:
    named = [named for named in server.roster.by_name().values() if named[0] in chosen]
    return jsonify({"success": True, "data": [describe(each, server.settings) for each in named]})


def describe(residents: list[Resident], settings: Settings) -> dict[str, Any]:
    """Return the model object of what is served under one name."""
    first = residents[0]
    failure = next((each.failure for each in residents if each.failure), None)
    context_length = _context_length(first, settings)
    return {
        "id": first.name,
        "object": "model",
        "created": first.created,
        "owned_by": "jan-ort",
        "permissions": [],
        "max_model_len": context_length,  # under vLLM's name, LM Studio's and llama.cpp's
        "max_context_length": context_length,
        "meta": {"n_ctx": context_length},
        "metadata": {
            "status": next((each.status for each in residents if each.model is None), Residency.LOADED),
            "error": None if failure is None else str(failure),
            "tasks": [each.choice.task.name for each in residents],
            "capabilities": _capabilities(residents),
            "defaults": _defaults() if first.choice.task == GENERATE else {},
            "recommended": {} if first.found is None else dict(first.found.folder.sampling),
            "backend": None if first.found is None else first.found.backend.name,
            "provider": first.choice.provider,
            "context_length": context_length,
            **_known_when_loaded(first),
        },
    }


def _known_when_loaded(resident: Resident) -> dict[str, Any]:
    model = resident.model
    if model is None:
        return {"vocab_size": None, "weights_hash": None, "device": None}
    truth = model.device
    device = {
        "requested": truth.requested,
        "used": truth.used,
        "nodes": dict(truth.nodes),
        "registered": list(truth.registered),
        "declined": dict(truth.declined),
    }
    return {"vocab_size": model.tokenizer.vocab_size, "weights_hash": model.weights_hash, "device": device}


def _context_length(resident: Resident, settings: Settings) -> int | None:
    """Return the tokens of a slot, as they were granted, or as they will be asked for."""
    if resident.model is not None:
        return resident.model.context_length
    if resident.found is None:
        return None
    own = resident.found.folder.context_length
    return min(own, settings.context_length or own) if resident.choice.task.takes_context_length else own


def _capabilities(residents: list[Resident]) -> list[str]:
    """Return what the model can be asked for."""
    able: list[str] = []
    for each in residents:
        folder = None if each.found is None else each.found.folder
        able += served_task(each.choice.task).abilities(folder, each.model)
    return able


def _defaults() -> dict[str, Any]:
    return {name: CreateChatCompletionRequest.model_fields[name].default for name in _DEFAULTS}
