"""Planted faults: what a broken server does to a request before, or to an answer after, the sound one sees it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass
class Exchange:
    """One request and, once there, its answer."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    status: int = 0
    answer_headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b""

    @property
    def fields(self) -> dict[str, Any]:
        """The request's fields; none if it is no JSON object."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    @property
    def is_stream(self) -> bool:
        return self.answer_headers.get("content-type", "").startswith("text/event-stream")


Change = Callable[[Exchange], None]


@dataclass(frozen=True)
class Fault:
    """A fault's name, the check that must catch it, and what it changes."""

    name: str
    caught_by: str
    before: Change | None = None
    after: Change | None = None


def dropping(name: str, check: str, path: str = "") -> Fault:
    """The server ignores a field."""

    def drop(exchange: Exchange) -> None:
        fields = exchange.fields
        if name in fields and exchange.path.startswith(path):
            exchange.body = json.dumps({key: value for key, value in fields.items() if key != name}).encode()

    return Fault(f"ignores_{name}", check, before=drop)


def answering(name: str, check: str, change: Callable[[Exchange, Any], Any]) -> Fault:
    """The server changes a plain JSON answer."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.status == 200 and not exchange.is_stream:
            exchange.answer = json.dumps(change(exchange, json.loads(exchange.answer))).encode()

    return Fault(name, check, after=rewrite)


def streaming(name: str, check: str, change: Callable[[list[str]], list[str]]) -> Fault:
    """The server changes the events of a stream."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.is_stream:
            frames = exchange.answer.decode().split("\n\n")[:-1]
            exchange.answer = "".join(f"{frame}\n\n" for frame in change(frames)).encode()

    return Fault(name, check, after=rewrite)


def failing(name: str, check: str, old: int, change: Change) -> Fault:
    """The server changes the answers of one status."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.status == old:
            change(exchange)

    return Fault(name, check, after=rewrite)


def with_status(status: int) -> Change:
    def change(exchange: Exchange) -> None:
        exchange.status = status

    return change


def as_plain_text(exchange: Exchange) -> None:
    exchange.answer, exchange.answer_headers["content-type"] = b"Bad Request", "text/plain"


def as_json(exchange: Exchange) -> None:
    if exchange.is_stream:
        exchange.answer_headers["content-type"] = "application/json"


def without_header(name: str) -> Change:
    def change(exchange: Exchange) -> None:
        exchange.answer_headers.pop(name, None)

    return change


def edited(frame: str, **chunk: Any) -> str:
    """Return an event with other members of its chunk."""
    return "data: " + json.dumps(json.loads(frame.removeprefix("data: ")) | chunk)


def choice_edited(frame: str, **members: Any) -> str:
    choices = json.loads(frame.removeprefix("data: "))["choices"]
    return edited(frame, choices=[choice | members for choice in choices])


def usage(answer: Any, **added: int) -> Any:
    if "usage" in answer:
        answer["usage"] = {
            key: value + added.get(key, 0) if isinstance(value, int) else value
            for key, value in answer["usage"].items()
        }
    return answer


def each_choice(answer: Any, change: Callable[[Any], None]) -> Any:
    for choice in answer.get("choices", ()):
        change(choice)
    return answer


def raise_logprobs(choice: Any) -> None:
    if (choice.get("logprobs") or {}).get("token_logprobs"):
        choice["logprobs"]["token_logprobs"] = [0.5 for _ in choice["logprobs"]["token_logprobs"]]


def same_call_id(choice: Any) -> None:
    for call in choice.get("message", {}).get("tool_calls", ()):
        call["id"] = "call_1"


def cut_arguments(choice: Any) -> None:
    for call in choice.get("message", {}).get("tool_calls", ()):
        call["function"]["arguments"] = call["function"]["arguments"][:-1]


def stretched(exchange: Exchange, answer: Any) -> Any:
    for each in answer.get("data", ()):
        if isinstance(each.get("embedding"), list):
            each["embedding"] = [2 * number for number in each["embedding"]]
    return answer


def without_n(exchange: Exchange, answer: Any) -> Any:
    for name in ("CreateCompletionRequest", "CreateChatCompletionRequest"):
        answer.get("components", {}).get("schemas", {}).get(name, {}).get("properties", {}).pop("n", None)
    return answer


def with_key(exchange: Exchange) -> None:
    exchange.headers["authorization"] = "Bearer k3y"


def scheme_matters(exchange: Exchange) -> None:
    if not exchange.headers.get("authorization", "").startswith("Bearer "):
        exchange.headers.pop("authorization", None)


def cut_prompt(exchange: Exchange) -> None:
    prompt = exchange.fields.get("prompt")
    if isinstance(prompt, str):
        exchange.body = json.dumps(exchange.fields | {"prompt": prompt[:50]}).encode()


def refuse_unknown(exchange: Exchange) -> None:
    if "a_field_of_the_future" in exchange.fields:
        exchange.body = b'{"prompt": 5, "messages": 5}'


def coerce(exchange: Exchange) -> None:
    if isinstance(exchange.fields.get("max_tokens"), bool | str):
        exchange.body = json.dumps(exchange.fields | {"max_tokens": 5}).encode()


def crash_on_text(exchange: Exchange) -> None:
    if exchange.path == "/extras/tokenize" and exchange.status == 200:
        exchange.status, exchange.answer = 500, b'{"error": {"message": "x", "type": "x", "param": null, "code": "x"}}'


FAULTS: list[Fault] = [
    dropping("seed", "field.completions.seed"),
    replace(dropping("seed", "seed.repeats"), name="forgets_seeds"),
    dropping("n", "field.chat.n"),
    dropping("stop", "stop.never_leaks"),
    dropping("temperature", "field.chat.temperature"),
    dropping("top_k", "field.completions.top_k"),
    dropping("top_p", "field.completions.top_p"),
    dropping("min_p", "field.chat.min_p"),
    dropping("mirostat_mode", "field.completions.mirostat_mode"),
    dropping("mirostat_tau", "field.completions.mirostat_tau"),
    dropping("mirostat_eta", "field.chat.mirostat_eta"),
    dropping("repeat_penalty", "field.completions.repeat_penalty"),
    dropping("presence_penalty", "field.completions.presence_penalty"),
    dropping("frequency_penalty", "field.chat.frequency_penalty"),
    dropping("logit_bias", "field.completions.logit_bias"),
    dropping("logit_bias_type", "field.completions.logit_bias_type"),
    dropping("grammar", "grammar.is_followed"),
    dropping("response_format", "schema_output.is_valid"),
    dropping("tools", "field.chat.tools"),
    dropping("tool_choice", "tools.named_is_called"),
    dropping("functions", "field.chat.functions"),
    dropping("parallel_tool_calls", "field.chat.parallel_tool_calls"),
    dropping("best_of", "field.completions.best_of"),
    dropping("echo", "field.completions.echo"),
    dropping("suffix", "field.completions.suffix"),
    dropping("max_tokens", "field.completions.max_tokens"),
    dropping("min_tokens", "field.completions.min_tokens"),
    dropping("max_completion_tokens", "field.chat.max_completion_tokens"),
    dropping("stream_options", "field.chat.stream_options"),
    dropping("logprobs", "field.completions.logprobs"),
    dropping("user", "field.chat.user"),
    dropping("encoding_format", "field.embeddings.encoding_format"),
    dropping("stream", "field.completions.stream"),
    streaming("no_done", "stream.ends_with_done", lambda frames: frames[:-1]),
    streaming("two_dones", "stream.ends_with_done", lambda frames: [*frames, frames[-1]]),
    streaming("two_line_events", "stream.is_server_sent_events", lambda fs: [f"event: x\n{frame}" for frame in fs]),
    streaming("loses_an_event", "stream.deltas_are_the_text", lambda frames: frames[:3] + frames[4:]),
    streaming(
        "ends_every_chunk",
        "stream.has_one_finish_reason",
        lambda frames: [choice_edited(frame, finish_reason="stop") for frame in frames[:-1]] + frames[-1:],
    ),
    streaming(
        "renames_the_answer",
        "stream.is_one_answer",
        lambda frames: [edited(frame, id=str(i)) for i, frame in enumerate(frames[:-1])] + frames[-1:],
    ),
    streaming("has_no_role", "stream.chat_begins_with_the_role", lambda frames: frames[1:]),
    Fault("streams_as_json", "stream.is_server_sent_events", after=as_json),
    Fault("stores_streams", "stream.is_not_stored", after=without_header("cache-control")),
    answering("total_is_off", "usage.adds_up", lambda _, answer: usage(answer, total_tokens=1)),
    answering(
        "prompt_is_off",
        "usage.counts_what_tokenize_counts",
        lambda _, answer: usage(answer, prompt_tokens=1, total_tokens=1),
    ),
    answering(
        "completion_is_off",
        "usage.counts_every_token",
        lambda _, answer: usage(answer, completion_tokens=1, total_tokens=1),
    ),
    answering(
        "always_stops",
        "stop.is_told",
        lambda _, answer: each_choice(answer, lambda choice: choice.update(finish_reason="stop")),
    ),
    answering("raises_logprobs", "logprobs.are_probabilities", lambda _, answer: each_choice(answer, raise_logprobs)),
    answering("repeats_call_ids", "tools.ids_are_unique", lambda _, answer: each_choice(answer, same_call_id)),
    answering("cuts_arguments", "tools.required_is_called", lambda _, answer: each_choice(answer, cut_arguments)),
    answering("stretches_vectors", "embeddings.are_normalised", stretched),
    answering(
        "counts_one_more",
        "tokenize.count_is_its_length",
        lambda e, answer: {"count": answer["count"] + 1} if e.path.endswith("count") else answer,
    ),
    answering("hides_n", "field.completions.n", without_n),
    failing("500_for_422", "refusal.schema_violation_is_422", 422, with_status(500)),
    failing("200_for_400", "grammar.bad_is_refused", 400, with_status(200)),
    failing("plain_text_errors", "refusal.is_an_openai_error", 422, as_plain_text),
    failing("403_for_401", "auth.no_key_is_401", 401, with_status(403)),
    failing("names_no_scheme", "auth.names_the_scheme", 401, without_header("www-authenticate")),
    failing("html_404", "refusal.unknown_path", 404, as_plain_text),
    Fault("needs_no_key", "auth.wrong_key_is_401", before=with_key),
    Fault("scheme_matters", "auth.scheme_is_case_insensitive", before=scheme_matters),
    Fault("cuts_prompts", "overflow.is_a_400", before=cut_prompt),
    Fault("refuses_unknown_fields", "refusal.unknown_fields_are_accepted", before=refuse_unknown),
    Fault("coerces_types", "refusal.types_are_json_schemas", before=coerce),
    Fault("crashes_on_text", "schema.post_extras_tokenize.not_a_server_error", after=crash_on_text),
    Fault("leaks_slots", "connection.leaving_frees_the_slot"),
    Fault("cuts_streams", "connection.streams_are_independent"),
    Fault("hangs", "seed.repeats"),
]
"""The last three are of connections; broken_server has them by name."""
