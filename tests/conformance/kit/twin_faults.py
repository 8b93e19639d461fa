"""Planted faults for the twin of a check: the same field of the other operation, or another promise broken alike."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.kit.changes import choice_edited, each_choice
from tests.conformance.kit.faults import Exchange, Fault, answering, failing, streaming, with_status
from tests.conformance.kit.member_faults import CHAT, COUNT, ignoring

COMPLETIONS, EMBEDDINGS, TOKENIZE = "/v1/completions", "/v1/embeddings", "/extras/tokenize"

COMPLETION_FIELDS = (
    "temperature",
    "min_p",
    "mirostat_eta",
    "frequency_penalty",
    "stop",
    "model",
    "user",
    "grammar",
    "response_format",
)
CHAT_FIELDS = (
    *("seed", "top_k", "top_p", "mirostat_tau", "mirostat_mode", "repeat_penalty", "presence_penalty", "logit_bias"),
    *("logit_bias_type", "max_tokens", "min_tokens", "stop", "stream", "model", "grammar", "logprobs"),
    *("response_format", "tool_choice"),
)


def fixing(path: str, name: str, constant: object, check: str) -> Fault:
    """The server takes a field of the requests to one operation for the same, whatever is sent."""

    def change(exchange: Exchange) -> None:
        if exchange.path == path and name in exchange.fields:
            exchange.body = json.dumps(exchange.fields | {name: constant}).encode()

    return Fault(f"fixes_{name}_for_{check}", check, before=change)


def repeated(check: str, path: str, name: str) -> Fault:
    """A field is ignored, by which another promise is broken too."""
    fault = ignoring(path, check, name)
    return Fault(f"ignores_{name}_for_{check}", check, before=fault.before)


def last_stop_only(exchange: Exchange) -> None:
    stop = exchange.fields.get("stop")
    if isinstance(stop, list):
        exchange.body = json.dumps(exchange.fields | {"stop": stop[:1]}).encode()


def as_stream(exchange: Exchange) -> None:
    exchange.status, exchange.answer = 200, b"data: {}\n\n"
    exchange.answer_headers["content-type"] = "text/event-stream"


def without_param(exchange: Exchange) -> None:
    answer = json.loads(exchange.answer)
    answer["error"]["param"] = None
    exchange.answer = json.dumps(answer).encode()


def other_tokens(choice: dict[str, object]) -> None:
    logprobs = choice.get("logprobs")
    if isinstance(logprobs, dict) and "tokens" in logprobs:
        logprobs["tokens"] = ["?" for _ in logprobs["tokens"]]


def one_token_less(exchange: Exchange) -> None:
    fields = exchange.fields
    if isinstance(fields.get("min_tokens"), int) and fields["min_tokens"] > 0:
        exchange.body = json.dumps(fields | {"min_tokens": fields["min_tokens"] - 1}).encode()


def without_last_id(exchange: Exchange) -> None:
    prompt = exchange.fields.get("prompt")
    if isinstance(prompt, list) and isinstance(prompt[-1], int):
        exchange.body = json.dumps(exchange.fields | {"prompt": prompt[:-1]}).encode()


def certain_logprobs(exchange: Exchange, answer: Any) -> Any:
    for choice in answer.get("choices", ()):
        if exchange.fields.get("top_k") == 1 and choice.get("logprobs"):
            choice["logprobs"]["token_logprobs"] = [0.0 for _ in choice["logprobs"]["token_logprobs"]]
    return answer


def refusing_for_good(check: str) -> Fault:
    """Every refusal leaves a mark in all later texts."""
    num_refused = 0

    def mark(exchange: Exchange) -> None:
        nonlocal num_refused
        num_refused += exchange.status >= 400
        if exchange.path == COMPLETIONS and exchange.status == 200:
            answer = json.loads(exchange.answer)
            exchange.answer = json.dumps(
                each_choice(answer, lambda choice: choice.update(text=choice["text"] + "!" * num_refused))
            ).encode()

    return Fault("refusals_leave_a_mark", check, after=mark)


TWIN_FAULTS: list[Fault] = [
    *(ignoring(COMPLETIONS, "completions", name) for name in COMPLETION_FIELDS),
    *(ignoring(CHAT, "chat", name) for name in CHAT_FIELDS),
    fixing(COMPLETIONS, "prompt", "Hello", "field.completions.prompt"),
    fixing(COMPLETIONS, "prompt", "Hello", "usage.counts_what_tokenize_counts"),
    Fault("ends_a_token_before_min_tokens", "field.completions.min_tokens", before=one_token_less),
    Fault("ends_a_chat_a_token_before_min_tokens", "field.chat.min_tokens", before=one_token_less),
    Fault("drops_the_last_token_id", "field.completions.prompt_token_ids", before=without_last_id),
    fixing(CHAT, "messages", [{"role": "user", "content": "Hello"}], "field.chat.messages"),
    repeated("field.chat.content_parts", CHAT, "messages.content.text"),
    fixing(CHAT, "messages", [{"role": "user", "content": "Hello"}], "usage.counts_a_chat_as_count_does"),
    repeated("field.count.messages", COUNT, "tools"),
    repeated("field.count.choices", COUNT, "tool_choice"),
    repeated("field.model_of_tokenizer", TOKENIZE, "model"),
    repeated("field.models.loaded", "/models/load", "model"),
    fixing(EMBEDDINGS, "input", "Hello", "field.embeddings.input"),
    fixing(EMBEDDINGS, "input", "Hello", "embeddings.usage_adds_up"),
    repeated("field.embeddings.dimensions", EMBEDDINGS, "dimensions"),
    repeated("field.embeddings.model_and_user", EMBEDDINGS, "user"),
    fixing(TOKENIZE, "input", "Hello", "field.tokenize.input"),
    fixing(TOKENIZE, "input", "Hello", "tokenize.is_undone"),
    repeated("usage.counts_every_choice", COMPLETIONS, "n"),
    repeated("seed.is_of_its_request", COMPLETIONS, "seed"),
    repeated("connection.seeds_hold_in_company", COMPLETIONS, "seed"),
    repeated("schema_output.json_schema_is_valid", CHAT, "response_format"),
    repeated("schema_output.object_is_one", CHAT, "response_format"),
    repeated("schema_output.bad_schema_is_refused", CHAT, "response_format"),
    repeated("tools.streamed_call_is_the_call", CHAT, "tool_choice"),
    repeated("tools.unknown_choice_is_refused", CHAT, "tool_choice"),
    repeated("logit_bias.works_with_min_tokens", COMPLETIONS, "logit_bias"),
    repeated("stream.holds_no_half_character", COMPLETIONS, "grammar"),
    Fault("takes_the_first_stop_only", "stop.earliest_wins", before=last_stop_only),
    streaming(
        "ends_with_content",
        "stream.chat_ends_with_an_empty_delta",
        lambda frames: [*frames[:-2], choice_edited(frames[-2], delta={"content": ""}), frames[-1]],
    ),
    streaming(
        "mixes_choices",
        "stream.choices_are_kept_apart",
        lambda frames: [*(choice_edited(frame, index=0) for frame in frames[:-1]), frames[-1]],
    ),
    failing("streams_errors", "stream.errors_come_before_it", 400, as_stream),
    failing("names_no_field", "refusal.names_the_field", 400, without_param),
    failing("names_no_grammar", "grammar.bad_is_refused_by_name", 400, without_param),
    failing("names_no_prompt", "overflow.tells_the_counts", 400, without_param),
    failing("500_for_malformed", "refusal.malformed_json", 400, with_status(500)),
    failing("500_for_unknown_token", "refusal.unknown_token_id", 400, with_status(500)),
    failing("400_for_415", "refusal.content_type", 415, with_status(400)),
    failing("200_for_404", "field.models.model", 404, with_status(200)),
    answering("filters_before_logprobs", "logprobs.are_the_models_own", certain_logprobs),
    refusing_for_good("connection.errors_leave_it_alive"),
    answering("has_no_models", "models.are_listed", lambda _, answer: answer | {"data": []}),
    answering("other_tokens", "logprobs.tokens_are_the_text", lambda _, a: each_choice(a, other_tokens)),
    answering("other_tokens_on_top", "logprobs.hold_the_chosen_token", lambda _, a: each_choice(a, other_tokens)),
    answering("other_tokens_plainly", "logprobs.are_the_same_in_streams", lambda _, a: each_choice(a, other_tokens)),
]
