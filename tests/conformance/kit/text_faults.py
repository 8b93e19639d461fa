"""Planted faults of texts, vectors, schemas, calls and long streams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Change, Exchange, Fault, answering, in_chunks, streaming

CHAT, EMBEDDINGS, TOKENIZERS = "/v1/chat/completions", "/v1/embeddings", "/extras/tokenize"


def sent(path: str, field: str, change: Callable[[Any], Any]) -> Change:
    """Take another value for that of a field."""

    def before(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path.startswith(path) and field in fields:
            exchange.body = json.dumps(fields | {field: change(fields[field])}).encode()

    return before


def got(path: str, change: Callable[[Any], Any]) -> Callable[[Exchange, Any], Any]:
    """Change the answers of one operation."""
    return lambda exchange, answer: change(answer) if exchange.path == path else answer


def plain_text(change: Callable[[str], str]) -> Callable[[Any], Any]:
    return lambda value: change(value) if isinstance(value, str) else value


def swapped(answer: Any) -> Any:
    vectors = [each["embedding"] for each in answer["data"]]
    if len(vectors) > 2:
        vectors[1], vectors[2] = vectors[2], vectors[1]
    for each, vector in zip(answer["data"], vectors, strict=True):
        each["embedding"] = vector
    return answer


def first_in_base64(answer: Any) -> Any:
    for each in answer["data"]:
        if isinstance(each["embedding"], str):
            each["embedding"] = answer["data"][0]["embedding"]
    return answer


def same_ids(given: Any) -> Any:
    return [1 for _ in given] if isinstance(given, list) and isinstance(given[0], int) else given


def of_anything(form: Any) -> Any:
    """Take a schema with keywords that need work for one that allows all."""
    hard = ("$ref", "pattern", "minLength", "anyOf", "minimum", "inner")
    return form | {"schema": {}} if any(word in json.dumps(form) for word in hard) else form


def call_beside_content(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        if choice.get("message", {}).get("tool_calls"):
            choice["message"]["content"] = "Calling."
    return answer


def cut_calls(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "length"
    return answer


def calls_end_by_stop(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        if choice["finish_reason"] == "tool_calls":
            choice["finish_reason"] = "stop"
    return answer


def of_pieces(change: Callable[[Any], Any]) -> Callable[[Exchange, Any], Any]:
    def change_all(_: Exchange, chunk: Any) -> Any:
        for choice in chunk["choices"]:
            for piece in choice.get("delta", {}).get("tool_calls") or ():
                change(piece)
        return chunk

    return change_all


def first_two_stops(stop: Any) -> Any:
    return stop[:2] if isinstance(stop, list) else stop


def in_any_case(exchange: Exchange, answer: Any) -> Any:
    stop = exchange.fields.get("stop")
    for choice in answer.get("choices", ()) if isinstance(stop, str) else ():
        text = choice.get("text") or ""
        if stop.lower() in text.lower():
            choice["text"] = text[: text.lower().index(stop.lower())]
    return answer


_ORDER = "embeddings.keep_their_order"
_CALL = "tools.call_is_all_of_the_answer"
_STOPS = "stop.each_of_four_ends_the_text"
_SPACE = "tokenize.keeps_white_space_and_case"
_LONG = "tokenize.reads_long_texts_to_the_end"


def ranks_nothing(answer: Any) -> Any:
    for each in answer["results"]:
        each["relevance_score"] = 0.5
    return answer


RERANK, SCORE = "/v1/rerank", "/v1/score"

RANKING_FAULTS: list[Fault] = [
    answering("ranks_all_alike", "field.rerank.documents", got(RERANK, ranks_nothing)),
    Fault("ranks_for_one_query", "field.rerank.query", before=sent(RERANK, "query", lambda _: "Hello")),
    Fault("ranks_all_for_top_n", "field.rerank.top_n", before=sent(RERANK, "top_n", lambda _: None)),
    Fault(
        "returns_no_documents",
        "field.rerank.return_documents",
        before=sent(RERANK, "return_documents", lambda _: False),
    ),
    answering(
        "counts_one_pair",
        "rerank.usage_adds_up",
        got(RERANK, lambda answer: answer | {"usage": {"prompt_tokens": 9, "total_tokens": 9}}),
    ),
    Fault("takes_any_document", "rerank.errors_name_the_field", before=sent(RERANK, "documents", lambda _: ["a"])),
    Fault(
        "scores_one_text",
        "field.score.texts",
        before=sent(SCORE, "text_2", lambda each: ["a" for _ in each] if isinstance(each, list) else each),
    ),
    Fault("scores_with_any_model", "field.rerank.model", before=sent(SCORE, "model", lambda _: None)),
    Fault("ignores_prompts", "field.embeddings.prompt_name", before=sent(EMBEDDINGS, "prompt_name", lambda _: None)),
]

TEXT_FAULTS: list[Fault] = [
    *RANKING_FAULTS,
    answering("strips_texts", _SPACE, got("/extras/detokenize", lambda answer: {"text": answer["text"].lstrip()})),
    Fault("joins_lines", _SPACE, before=sent(TOKENIZERS, "input", plain_text(lambda text: " ".join(text.split())))),
    Fault("reads_no_capitals", _SPACE, before=sent(TOKENIZERS, "input", plain_text(str.lower))),
    answering("tells_100_tokens", _LONG, got(TOKENIZERS, lambda answer: {"tokens": answer["tokens"][:100]})),
    answering(
        "counts_to_100", _LONG, got("/extras/tokenize/count", lambda answer: {"count": min(answer["count"], 100)})
    ),
    answering("swaps_vectors_of_three", _ORDER, got(EMBEDDINGS, swapped)),
    answering("has_16_vectors", _ORDER, got(EMBEDDINGS, lambda answer: answer | {"data": answer["data"][:16]})),
    answering("encodes_the_first_vector_only", "embeddings.base64_keeps_the_order", got(EMBEDDINGS, first_in_base64)),
    Fault(
        "embeds_50_characters",
        "embeddings.read_long_texts_to_the_end",
        before=sent(EMBEDDINGS, "input", plain_text(lambda text: text[:50])),
    ),
    Fault("embeds_any_ids", "embeddings.token_ids_are_their_text", before=sent(EMBEDDINGS, "input", same_ids)),
    Fault(
        "knows_simple_schemas",
        "schema_output.holds_for_each_keyword",
        before=sent(CHAT, "response_format", of_anything),
    ),
    answering("talks_beside_calls", _CALL, call_beside_content),
    answering("calls_calls_cut", _CALL, cut_calls),
    in_chunks("ends_streamed_calls_by_stop", _CALL, calls_end_by_stop),
    in_chunks(
        "streams_calls_without_index",
        "tools.streamed_calls_have_indexes",
        of_pieces(lambda piece: piece.pop("index")),
    ),
    in_chunks(
        "streams_calls_from_one_on",
        "tools.streamed_calls_have_indexes",
        of_pieces(lambda piece: piece.update(index=piece["index"] + 1)),
    ),
    streaming("ends_long_streams", "stream.may_be_long", lambda frames: [*frames[:130], *frames[-2:]]),
    Fault("takes_two_stops", _STOPS, before=sent("/v1/", "stop", first_two_stops)),
    answering("stops_in_any_case", _STOPS, in_any_case),
]
