"""Planted faults in Ollama's API."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering

CHAT, GENERATE, EMBED, TAGS = "/api/chat", "/api/generate", "/api/embed", "/api/tags"


def _without(path: str, name: str) -> Callable[[Exchange], None]:
    """Return a change that drops a field, or a member of options, of requests."""

    def drop(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path == path and fields:
            fields.pop(name, None)
            fields["options"] = {key: each for key, each in (fields.get("options") or {}).items() if key != name}
            exchange.body = json.dumps(fields).encode()

    return drop


def _say_stopped(exchange: Exchange, answer: Any) -> Any:
    return answer | {"done_reason": "stop"} if exchange.path == CHAT else answer


def _same_vectors(exchange: Exchange, answer: Any) -> Any:
    vectors = answer.get("embeddings", ()) if exchange.path == EMBED else ()
    return answer | {"embeddings": [vectors[0] for _ in vectors]} if vectors else answer


def _list_none(exchange: Exchange, answer: Any) -> Any:
    return {"models": []} if exchange.path == TAGS else answer


def _count_one_that_is_new() -> Fault:
    """A chat that was asked before has but one token."""
    kept: set[bytes] = set()

    def change(exchange: Exchange, answer: Any) -> Any:
        if exchange.path == CHAT and exchange.body in kept:
            return answer | {"prompt_eval_count": 1}
        kept.add(exchange.body)
        return answer

    return answering("counts_one_token_of_a_kept_chat", "ollama.counts_what_was_kept", change)


def _one_line(exchange: Exchange) -> None:
    if exchange.path == CHAT and exchange.answer_headers.get("content-type", "").startswith("application/x-ndjson"):
        exchange.answer = exchange.answer.splitlines()[-1] + b"\n"


def _tell_as_openai(exchange: Exchange) -> None:
    if exchange.path == CHAT and exchange.status == 400:
        exchange.answer = json.dumps({"error": json.loads(exchange.answer)}).encode()


OLLAMA_FAULTS: list[Fault] = [
    answering("says_stopped_at_the_limit", "ollama.answers", _say_stopped),
    Fault("sends_the_last_line_only", "ollama.lines", after=_one_line),
    Fault("ignores_seed_of_options", "ollama.options", before=_without(CHAT, "seed")),
    Fault("ignores_format_of_prompts", "ollama.format", before=_without(GENERATE, "format")),
    Fault("ignores_tools_of_ollama", "ollama.tools_are_told", before=_without(CHAT, "tools")),
    Fault("ignores_raw", "ollama.prompts", before=_without(GENERATE, "raw")),
    _count_one_that_is_new(),
    answering("embeds_all_alike_as_ollama", "ollama.embeds", _same_vectors),
    answering("lists_no_model_of_ollama", "ollama.models", _list_none),
    Fault("refuses_ollama_as_openai", "ollama.members_are_read", after=_tell_as_openai),
]
