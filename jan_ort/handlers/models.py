"""GET /v1/models and /v1/models/{model}: what is served."""

from __future__ import annotations

from typing import Any

from quart import Response, jsonify

from jan_ort.errors import ApiError
from jan_ort.served import GenerativeModel, ServedModel
from jan_ort.server import Server


async def get_models(server: Server) -> Response:
    """Answer with the list of the loaded models."""
    return jsonify({"object": "list", "data": [_describe(models) for models in _by_name(server).values()]})


async def get_model(server: Server, model: str) -> Response:
    """Answer with one model by its name."""
    served = _by_name(server)
    if model in served:
        return jsonify(_describe(served[model]))
    known = ", ".join(map(repr, served))
    raise ApiError(404, f"there is no model {model!r}; served: {known}", param="model", code="model_not_found")


def _by_name(server: Server) -> dict[str, list[ServedModel]]:
    """Group the served models: one that both generates and embeds is served twice under one name."""
    named: dict[str, list[ServedModel]] = {}
    for model in server.models:
        named.setdefault(model.name, []).append(model)
    return named


def _describe(models: list[ServedModel]) -> dict[str, Any]:
    model = models[0]
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "jan-ort",
        "permissions": [],
        "metadata": {
            "tasks": ["generate" if isinstance(each, GenerativeModel) else "embed" for each in models],
            "backend": model.backend,
            "context_length": model.context_length,
            "vocab_size": model.tokenizer.vocab_size,
            "weights_hash": model.weights_hash,
            "device": {
                "requested": model.device.requested,
                "used": model.device.used,
                "nodes": dict(model.device.nodes),
            },
        },
    }
