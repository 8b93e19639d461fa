"""Sound servers that have less than the document, and say so by their own /openapi.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault

OPERATIONS = (
    "/extras/",
    "/models/",
    "/v1/embeddings",
    "/v1/rerank",
    "/v1/responses",
    "/v1/score",
    "/v1/messages",
    "/api/",
)
GENERATING = ("/v1/completions", "/v1/chat/completions")
FIELDS = ("mirostat_mode", "mirostat_tau", "mirostat_eta", "logit_bias_type", "min_tokens", "best_of", "suffix", "user")
REQUESTS = ("CreateCompletionRequest", "CreateChatCompletionRequest")


def rewritten(exchange: Exchange, path: str, change: Callable[[Any], None]) -> None:
    if exchange.path == path and exchange.status == 200:
        answer = json.loads(exchange.answer)
        change(answer)
        exchange.answer = json.dumps(answer).encode()


def without_operations(document: Any) -> None:
    document["paths"] = {path: each for path, each in document["paths"].items() if not path.startswith(OPERATIONS)}


def without_metadata(models: Any) -> None:
    for model in models["data"]:
        model.pop("metadata", None)


def of_one_task(models: Any) -> None:
    for model in models["data"]:
        model["metadata"]["tasks"] = ["generate"]


def without_fields(document: Any) -> None:
    for request in REQUESTS:
        for name in FIELDS:
            document["components"]["schemas"][request]["properties"].pop(name, None)


def without(change_models: Callable[[Any], None]) -> Callable[[Exchange], None]:
    """Answer 404, as frameworks do, to the operations that are not there, with the key and without."""

    def change(exchange: Exchange) -> None:
        rewritten(exchange, "/openapi.json", without_operations)
        rewritten(exchange, "/v1/models", change_models)
        if exchange.path.startswith(OPERATIONS):
            exchange.status, exchange.answer = 404, b'{"detail": "Not Found"}'

    return change


def ignore_fields(exchange: Exchange) -> None:
    fields = exchange.fields
    if fields and exchange.path in GENERATING:
        exchange.body = json.dumps({name: value for name, value in fields.items() if name not in FIELDS}).encode()


def tell_no_length(exchange: Exchange) -> None:
    rewritten(exchange, "/v1/models", without_metadata)


def tell_length_as_vllm(exchange: Exchange) -> None:
    def change(models: Any) -> None:
        for model in models["data"]:
            model["max_model_len"] = model.pop("metadata")["context_length"]

    rewritten(exchange, "/v1/models", change)


def hold_a_million(exchange: Exchange) -> None:
    """Answer long prompts as one that is read to its end."""
    tell_no_length(exchange)
    if exchange.status == 400 and len(exchange.body) > 2**21:
        exchange.status, exchange.answer = 200, b'{"usage": {"prompt_tokens": 1048640}}'


def undeclare_fields(exchange: Exchange) -> None:
    rewritten(exchange, "/openapi.json", without_fields)


SMALLER: list[Fault] = [
    Fault("has_fewer_operations", "", after=without(of_one_task)),
    Fault("has_fewer_operations_and_tells_no_metadata", "", after=without(without_metadata)),
    Fault("has_fewer_fields", "", before=ignore_fields, after=undeclare_fields),
]

LENGTHS: list[Fault] = [
    Fault("tells_no_length", "", after=tell_no_length),
    Fault("tells_its_length_as_vllm_does", "", after=tell_length_as_vllm),
    Fault("holds_a_million_tokens", "", after=hold_a_million),
]
