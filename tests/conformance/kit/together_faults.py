"""Planted faults that show only where fields meet: in streams, at limits, outside ASCII, in large batches."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.kit.changes import each_choice
from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks
from tests.conformance.kit.member_faults import CHAT
from tests.conformance.kit.twin_faults import COMPLETIONS, EMBEDDINGS
from tests.conformance.kit.wider_faults import asking

Fields = dict[str, Any]
MANY_LETTERS = 1024


def overflow_as_a_stream(exchange: Exchange) -> None:
    """Begin the stream of too long a prompt, and tell the error in it."""
    if exchange.fields.get("stream") and b"context_length_exceeded" in exchange.answer:
        exchange.status = 200
        exchange.answer_headers["content-type"] = "text/event-stream; charset=utf-8"
        exchange.answer = b"data: " + exchange.answer.strip() + b"\n\ndata: [DONE]\n\n"


def places_without_the_prompt(exchange: Exchange, answer: Any) -> Any:
    """With echo, count the places of later chunks from where the prompt ends."""
    prompt = exchange.fields.get("prompt")

    def move(choice: Any) -> None:
        logprobs = choice.get("logprobs") or {}
        if isinstance(prompt, str) and (logprobs.get("text_offset") or [0])[0] >= len(prompt):
            logprobs["text_offset"] = [at - len(prompt) for at in logprobs["text_offset"]]

    return each_choice(answer, move) if exchange.fields.get("echo") else answer


def without_lengths(schema: Any) -> Any:
    """Leave lengths out beside a pattern."""
    if isinstance(schema, dict):
        dropped = ("minLength", "maxLength") if "pattern" in schema else ()
        return {key: without_lengths(value) for key, value in schema.items() if key not in dropped}
    return [without_lengths(each) for each in schema] if isinstance(schema, list) else schema


def first_letters(fields: Fields) -> Fields:
    """Take of a text that is biased the first letter only."""
    if fields.get("logit_bias_type") != "tokens" or not fields.get("logit_bias"):
        return {}
    return {"logit_bias": {text[:1]: by for text, by in reversed(fields["logit_bias"].items())}}


def usage_of_chunks(exchange: Exchange) -> None:
    """Count as tokens of a stream the chunks that have text."""
    if not exchange.is_stream or exchange.status != 200:
        return
    frames = exchange.answer.decode().split("\n\n")
    count = 0
    for index, frame in enumerate(frames):
        if not frame.startswith("data: {"):
            continue
        chunk = json.loads(frame[6:])
        if chunk.get("usage"):
            chunk["usage"]["completion_tokens"] = count
            frames[index] = f"data: {json.dumps(chunk)}"
        count += any(each.get("text") or (each.get("delta") or {}).get("content") for each in chunk.get("choices", ()))
    exchange.answer = "\n\n".join(frames).encode()


def bytes_of_the_names(_: Exchange, answer: Any) -> Any:
    """Tell of half a character the bytes of U+FFFD, as which it is written."""

    def rename(choice: Any) -> None:
        for token in (choice.get("logprobs") or {}).get("content") or ():
            token["bytes"] = list(token["token"].encode())

    return each_choice(answer, rename)


def cut_at_null(fields: Fields) -> Fields:
    prompt = fields.get("prompt")
    return {"prompt": prompt.partition("\0")[0]} if isinstance(prompt, str) else {}


class KeepingOneMore:
    """Takes of a prompt that shares much with the one before also that one's next letter."""

    def __init__(self) -> None:
        self.last = ""

    def __call__(self, fields: Fields) -> Fields:
        prompt, before = fields.get("prompt"), self.last
        if not isinstance(prompt, str):
            return {}
        self.last = prompt
        differs = (at for at, (one, other) in enumerate(zip(prompt, before, strict=False)) if one != other)
        at = next(differs, 0)
        if at < 64 or at + 1 >= len(prompt):
            return {}
        return {"prompt": prompt[:at] + before[at] + prompt[at + 1 :]}


def whole_calls(_: Exchange, answer: Any) -> Any:
    """Say of a call that was closed at the limit that it is whole."""

    def end(choice: Any) -> None:
        if choice.get("finish_reason") == "length" and (choice.get("message") or {}).get("tool_calls"):
            choice["finish_reason"] = "tool_calls"

    return each_choice(answer, end)


def without_parts_of_answers(fields: Fields) -> Fields:
    messages = fields.get("messages")
    if not isinstance(messages, list):
        return {}
    is_one = [isinstance(each, dict) and each.get("role") == "assistant" for each in messages]
    return {
        "messages": [
            each | {"content": ""} if one and isinstance(each.get("content"), list) else each
            for each, one in zip(messages, is_one, strict=True)
        ]
    }


def large_batches_by_length(exchange: Exchange, answer: Any) -> Any:
    """Leave the vectors of a large batch as they were computed: the shortest text's first."""
    texts = exchange.fields.get("input")
    is_large = isinstance(texts, list) and all(isinstance(each, str) for each in texts)
    if exchange.path != EMBEDDINGS or not is_large or sum(map(len, texts)) <= MANY_LETTERS:
        return answer
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = [answer["data"][at]["embedding"] for at in order]
    return answer | {"data": [each | {"embedding": own} for each, own in zip(answer["data"], vectors, strict=True)]}


TOGETHER_FAULTS: list[Fault] = [
    Fault(
        "begins_the_stream_of_too_long_a_prompt",
        "stream.errors_of_every_kind_come_before_it",
        after=overflow_as_a_stream,
    ),
    in_chunks("streams_places_behind_the_echo", "echo.offsets_run_through_streams", places_without_the_prompt),
    asking("has_no_length_beside_a_pattern", "schema_output.keywords_hold_together", without_lengths, CHAT),
    asking("biases_the_first_token_of_a_text", "logit_bias.of_a_text_is_of_each_token", first_letters, COMPLETIONS),
    Fault("counts_chunks_for_tokens", "usage.is_of_tokens_in_streams", after=usage_of_chunks),
    answering("tells_the_bytes_of_a_replacement", "logprobs.bytes_are_those_of_the_text", bytes_of_the_names),
    asking("reads_to_the_null_character", "text.goes_on_behind_a_null_character", cut_at_null, COMPLETIONS),
    asking("keeps_a_letter_of_another_prompt", "prompt.has_no_token_of_another", KeepingOneMore(), COMPLETIONS),
    answering("calls_a_cut_call_whole", "tools.cut_call_is_told_so", whole_calls),
    asking("reads_no_parts_of_answers", "chat.parts_are_read_in_every_role", without_parts_of_answers, CHAT),
    answering("sorts_large_batches", "embeddings.of_large_batches_keep_their_order", large_batches_by_length),
]
