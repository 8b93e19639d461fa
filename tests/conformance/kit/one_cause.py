"""Servers with one fault each, which many checks meet on their way, and the checks that are about it."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.kit.broken_server import fault_named
from tests.conformance.kit.changes import count_alike
from tests.conformance.kit.faults import Exchange, Fault, answering
from tests.conformance.kit.smaller_servers import rewritten


def _without_usage(exchange: Exchange, answer: Any) -> Any:
    return {name: value for name, value in answer.items() if name != "usage"}


def _without_logprobs(exchange: Exchange, answer: Any) -> Any:
    return answer | {"choices": [each | {"logprobs": None} for each in answer.get("choices", ())]}


def _refuse_lists(exchange: Exchange) -> None:
    """Take one prompt only, and declare no more."""

    def undeclare(document: Any) -> None:
        document["components"]["schemas"]["CreateCompletionRequest"]["properties"]["prompt"] = {"type": "string"}

    rewritten(exchange, "/openapi.json", undeclare)
    if isinstance(exchange.fields.get("prompt"), list) and exchange.status == 200:
        exchange.status, exchange.answer_headers["content-type"] = 400, "application/json"
        error = {"message": "prompt must be a string", "type": "x", "param": None, "code": None}
        exchange.answer = json.dumps({"error": error}).encode()


def _name_what_is_unknown(exchange: Exchange) -> None:
    if "a_field_of_the_future" in exchange.fields:
        exchange.status, exchange.answer = 422, b'{"detail": "Unexpected fields in the request"}'


def _drift(exchange: Exchange) -> None:
    """Answer one greedy question by several texts."""
    if exchange.status == 200 and "prompt" in exchange.fields and not exchange.is_stream:
        answer = json.loads(exchange.answer)
        for choice in answer["choices"]:
            choice["text"] = f"{answer['id'][-4:]}{choice['text']}"
        exchange.answer = json.dumps(answer).encode()


def _repeat_itself(exchange: Exchange, answer: Any) -> Any:
    """Say one text, whatever is asked and however it is sampled, and say that it has ended."""
    for choice in answer.get("choices", ()):
        choice |= {"text": _FIXED, "finish_reason": "stop"} if "text" in choice else {"finish_reason": "stop"}
    return answer


def _tell_no_param(exchange: Exchange) -> None:
    """Refuse by errors that have no param."""
    if exchange.status >= 400 and b'"error"' in exchange.answer:
        answer = json.loads(exchange.answer)
        answer["error"].pop("param", None)
        exchange.answer = json.dumps(answer).encode()


def _say_what_was_not_declared(exchange: Exchange) -> None:
    """Answer by several texts, and declare no suffix."""

    def undeclare(document: Any) -> None:
        document["components"]["schemas"]["CreateCompletionRequest"]["properties"].pop("suffix", None)

    rewritten(exchange, "/openapi.json", undeclare)
    _drift(exchange)


_FIXED = "All is well, and all of it is said."

ONE_CAUSE: list[tuple[Fault, set[str], set[str]]] = [
    (answering("no_usage", "", _without_usage), {"usage.adds_up"}, {"usage.counts_every_token"}),
    (fault_named("ignores_n"), {"field.chat.n"}, {"tools.ids_are_unique", "usage.counts_every_choice"}),
    (
        answering("no_logprobs", "", _without_logprobs),
        {"field.completions.logprobs"},
        {"usage.counts_every_token", "field.chat.repeat_penalty"},
    ),
    (
        fault_named("no_done"),
        {"stream.ends_with_done"},
        {"stream.deltas_are_the_text", "connection.streams_are_independent"},
    ),
    (
        fault_named("forgets_seeds"),
        {"seed.repeats"},
        {"seed.is_of_its_request", "seed.repeats_as_the_server_draws", "connection.seeds_hold_in_company"},
    ),
    (Fault("no_lists", "", after=_refuse_lists), set(), {"field.completions.prompt", "usage.counts_every_prompt"}),
    (
        answering("one_text", "", _repeat_itself),
        {"field.completions.temperature", "field.completions.stop", "stop.never_leaks"},
        {"stop.earliest_wins", "stop.is_told", "field.completions.top_p", "sampling.temperature_has_no_ceiling"},
    ),
    (
        answering("one_count_of_prompts", "", count_alike),
        {"usage.counts_the_prompt"},
        {"chat.developer_is_read", "chat.long_histories_are_read"},
    ),
    (
        Fault("no_param", "", after=_tell_no_param),
        {"refusal.is_an_openai_error"},
        {"overflow.is_a_400", "field.completions.model", "field.completions.user"},
    ),
    (Fault("undeclared_by_chance", "", after=_say_what_was_not_declared), set(), {"field.completions.suffix"}),
    (Fault("no_unknown_fields", "", after=_name_what_is_unknown), set(), {"refusal.unknown_fields_are_accepted"}),
    (
        Fault("no_steady_text", "", after=_drift),
        {"seed.repeats"},
        {"stop.earliest_wins", "stop.holds_for_every_choice"},
    ),
]
"""Each with the checks that blame it, and some that meet it and do not."""
