"""Sound variants: servers that answer in another way that the document and the standards allow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.changes import each_choice
from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks
from tests.conformance.kit.member_faults import CHAT
from tests.conformance.kit.smaller_servers import LENGTHS, SMALLER

STREAMS = ("stream.*", "connection.streams_are_independent", "logprobs.are_the_same_in_streams", "stop.*")
LEAN = (
    *("auth.*", "refusal.*", "usage.*", "stop.is*", "logit_bias.*", "tokenize.*", "embeddings.*", "models.*", "http.*"),
    *("field.count.*", "field.embeddings.*", "field.c*.pro*", "field.c*.*_*", "field.models*", "field.chat.logit_bias"),
)
"""What servers that have less are asked in part."""

PLAIN = ("usage.*", "stop.*", "logprobs.*", "field.*.logprobs", "field.*.n")


def framed(name: str, change: Callable[[str], str]) -> tuple[Fault, tuple[str, ...]]:
    """The server frames its events in another way."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.is_stream:
            exchange.answer = change(exchange.answer.decode()).encode()

    return Fault(name, "", after=rewrite), STREAMS


def in_capitals(exchange: Exchange) -> None:
    if exchange.is_stream:
        exchange.answer_headers["content-type"] = "Text/Event-Stream; Charset=UTF-8"


def role_in_each_delta(_: Exchange, chunk: Any) -> Any:
    return each_choice(chunk, lambda choice: choice["delta"].update(role="assistant") if choice.get("delta") else None)


def without_null(name: str) -> Callable[[Exchange, Any], Any]:
    """Leave a member of choices out where it is null."""

    def change(_: Exchange, answer: Any) -> Any:
        return each_choice(answer, lambda choice: choice.pop(name) if choice.get(name, 1) is None else None)

    return change


def embeddings_backwards(_: Exchange, answer: Any) -> Any:
    return answer | {"data": answer["data"][::-1]} if "embedding" in str(answer.get("data"))[:100] else answer


def with_more_members(_: Exchange, answer: Any) -> Any:
    answer = each_choice(answer, lambda choice: choice.get("message", {}).update(refusal=None, annotations=[]))
    return answer | {"system_fingerprint": "fp_1"} if "choices" in answer else answer


def joined_by(between: str) -> tuple[Fault, tuple[str, ...]]:
    """The server writes something between the text parts of a message, of which OpenAI's document says nothing."""

    def join(exchange: Exchange) -> None:
        messages = exchange.fields.get("messages")
        if exchange.path != CHAT or not isinstance(messages, list):
            return
        for message in messages:
            parts = message.get("content") if isinstance(message, dict) else None
            if isinstance(parts, list) and all(isinstance(part.get("text"), str) for part in parts):
                message["content"] = between.join(part["text"] for part in parts)
        exchange.body = json.dumps(exchange.fields | {"messages": messages}).encode()

    return Fault(f"joins_parts_by_{between!r}", "", before=join), ("field.chat.content_parts", "chat.parts_*")


def refuse_many_letters(exchange: Exchange) -> None:
    """Have a token for each letter, and no room for more than the context's 512."""
    if exchange.path in (CHAT, "/v1/completions") and len(exchange.body) > 512 and exchange.status == 200:
        exchange.status, exchange.answer_headers["content-type"] = 400, "application/json"
        error = {"message": "too long", "type": "invalid_request_error", "param": "prompt"}
        exchange.answer = json.dumps({"error": error | {"code": "context_length_exceeded"}}).encode()


VARIANTS: list[tuple[Fault, tuple[str, ...]]] = [
    *((server, LEAN) for server in SMALLER),
    *((server, ("overflow.is_a_400", "models.*", "seed.is*")) for server in LENGTHS),
    framed("no_space_after_the_colon", lambda text: text.replace("data: ", "data:")),
    framed("more_blank_lines", lambda text: "\n\n" + text.replace("\n\n", "\n\n\n\n")),
    framed("carriage_returns_too", lambda text: text.replace("\n", "\r\n")),
    framed("carriage_returns_alone", lambda text: text.replace("\n", "\r")),
    framed("ids_and_names_of_events", lambda text: text.replace("data: ", "id: 1\nevent: message\ndata: ")),
    framed("begins_with_retry", lambda text: "retry: 3000\n\n" + text),
    framed("comments_between_events", lambda text: text.replace("\n\n", "\n\n: ping\n\n")),
    framed("a_byte_order_mark", lambda text: "\ufeff" + text),
    (Fault("content_type_in_capitals", "", after=in_capitals), STREAMS),
    (in_chunks("a_role_in_each_delta", "", role_in_each_delta), STREAMS),
    (in_chunks("no_finish_reason_before_the_end", "", without_null("finish_reason")), STREAMS),
    (in_chunks("no_logprobs_in_chunks_unasked", "", without_null("logprobs")), STREAMS),
    (answering("no_logprobs_unasked", "", without_null("logprobs")), PLAIN),
    (Fault("a_token_a_letter", "", after=refuse_many_letters), ("tools.*", "prompt.*", "echo.*")),
    joined_by(" "),
    joined_by("\n"),
    (answering("embeddings_backwards", "", embeddings_backwards), ("embeddings.*", "field.embeddings.*")),
    (answering("members_of_the_future", "", with_more_members), PLAIN),
]
"""Each with the patterns of the checks that could mind."""
