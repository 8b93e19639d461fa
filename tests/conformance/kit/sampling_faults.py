"""Planted faults of logprobs and of sampling between its extremes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks

COMPLETIONS = "/v1/completions"


def taking(name: str, check: str, change: Callable[[dict[str, Any]], None]) -> Fault:
    """The server takes the fields of a generation otherwise."""

    def before(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path == COMPLETIONS and fields:
            change(fields)
            exchange.body = json.dumps(fields).encode()

    return Fault(name, check, before=before)


def number(field: str, change: Callable[[float], float]) -> Callable[[dict[str, Any]], None]:
    """Take another number for that of a field."""

    def changed(fields: dict[str, Any]) -> None:
        if isinstance(fields.get(field), int | float):
            fields[field] = change(fields[field])

    return changed


def renamed(field: str, other: str) -> Callable[[dict[str, Any]], None]:
    def changed(fields: dict[str, Any]) -> None:
        if field in fields:
            fields[other] = fields.pop(field)

    return changed


def biases(change: Callable[[dict[str, float]], dict[str, float]]) -> Callable[[dict[str, Any]], None]:
    def changed(fields: dict[str, Any]) -> None:
        if isinstance(fields.get("logit_bias"), dict):
            fields["logit_bias"] = change(fields["logit_bias"])

    return changed


def without_seed_0(fields: dict[str, Any]) -> None:
    if fields.get("seed") == 0:
        del fields["seed"]


def each_logprobs(change: Callable[[Any], None]) -> Callable[[Exchange, Any], Any]:
    """Change the logprobs of each choice that has them."""

    def change_all(_: Exchange, answer: Any) -> Any:
        for choice in answer.get("choices", ()):
            if choice.get("logprobs"):
                change(choice["logprobs"])
        return answer

    return change_all


def all_three(logprobs: Any) -> None:
    if "content" in logprobs:
        for each in logprobs["content"]:
            each["logprob"] = -3.0
    else:
        logprobs["token_logprobs"] = [-3.0 for _ in logprobs["token_logprobs"]]


def from_nought(logprobs: Any) -> None:
    if "text_offset" in logprobs:
        logprobs["text_offset"] = [0 for _ in logprobs["text_offset"]]


def one_on(logprobs: Any) -> None:
    if "text_offset" in logprobs:
        logprobs["text_offset"] = [offset + 1 for offset in logprobs["text_offset"]]


def apart(logprobs: Any) -> None:
    for each in logprobs.get("content") or ():
        each["logprob"] -= 1


def likely(logprobs: Any) -> None:
    for each in logprobs.get("content") or ():
        each["logprob"] = -0.01
        for other in each["top_logprobs"]:
            other["logprob"] = -0.01


def first_is_a_number(logprobs: Any) -> None:
    if logprobs.get("token_logprobs", [0])[0] is None:
        logprobs["token_logprobs"][0], logprobs["top_logprobs"][0] = -1.0, {"x": -1.0}


def without_prompt(logprobs: Any) -> None:
    if logprobs.get("token_logprobs", [0])[0] is None:
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            logprobs[name] = logprobs[name][-4:]


def all_candidates(fields: dict[str, Any]) -> None:
    if fields.get("best_of") and fields.get("n", 1) == 1:
        fields["n"] = fields["best_of"]


def the_last_only(exchange: Exchange) -> None:
    fields = exchange.fields
    if fields.get("best_of", 1) > 1 and fields.get("n") == fields["best_of"] and "logprobs" not in fields:
        answer = json.loads(exchange.answer)
        answer["choices"] = [answer["choices"][-1] | {"index": 0}]
        exchange.answer = json.dumps(answer).encode()


_BETWEEN = "logprobs.values_are_the_same_in_streams"
_CHAT = "logprobs.chat_tokens_are_among_their_alternatives"
_ECHO = "logprobs.echo_has_those_of_the_prompt"
_LOWER = "sampling.penalties_lower"
_DIFFER = "sampling.penalties_differ"

SAMPLING_FAULTS: list[Fault] = [
    in_chunks("streams_other_logprobs", _BETWEEN, each_logprobs(all_three)),
    in_chunks("streams_no_offsets", _BETWEEN, each_logprobs(from_nought)),
    answering("places_tokens_one_on", "logprobs.offsets_are_places_in_the_text", each_logprobs(one_on)),
    answering("places_tokens_nowhere", "logprobs.offsets_are_places_in_the_text", each_logprobs(from_nought)),
    answering("tells_a_chat_two_logprobs", _CHAT, each_logprobs(apart)),
    answering("tells_a_chat_too_likely_tokens", _CHAT, each_logprobs(likely)),
    answering("knows_what_begins_a_prompt", _ECHO, each_logprobs(first_is_a_number)),
    answering("echoes_no_logprobs", _ECHO, each_logprobs(without_prompt)),
    taking("has_few_seeds", "field.completions.seed", number("seed", lambda seed: int(seed) % 256)),
    taking("has_a_thousand_seeds", "field.completions.seed", number("seed", lambda seed: int(seed) % 1000)),
    taking("draws_a_seed_for_0", "field.completions.seed", without_seed_0),
    taking("keeps_one_more", "sampling.top_k_keeps_so_many", number("top_k", lambda k: k + (k > 1))),
    taking("keeps_twice_as_many", "sampling.top_k_keeps_so_many", number("top_k", lambda k: k * (1 + (k > 2)))),
    taking("has_no_nucleus", "sampling.top_p_keeps_the_nucleus", number("top_p", lambda p: p and 1)),
    taking("never_keeps_all", "field.completions.top_p", number("top_p", lambda p: min(p, 0.95))),
    taking("keeps_the_unlikely", "sampling.min_p_keeps_the_likely", number("min_p", lambda p: int(p))),
    taking("is_cold_or_warm", "sampling.temperature_divides", number("temperature", lambda t: t and 1.5)),
    taking("is_twice_as_warm", "sampling.temperature_divides", number("temperature", lambda t: 2 * t)),
    taking("is_half_as_warm", "sampling.temperature_divides", number("temperature", lambda t: t / 2)),
    taking(
        "halves_biases", "logit_bias.is_added_as_it_is", biases(lambda bias: {key: by / 2 for key, by in bias.items()})
    ),
    taking(
        "forces_or_forbids_only",
        "logit_bias.is_added_as_it_is",
        biases(lambda bias: {key: by for key, by in bias.items() if abs(by) > 99}),
    ),
    taking(
        "takes_the_first_bias_only",
        "logit_bias.holds_for_every_token",
        biases(lambda bias: dict([*bias.items()][:1])),
    ),
    taking("takes_presence_for_frequency", _DIFFER, renamed("presence_penalty", "frequency_penalty")),
    taking("takes_frequency_for_presence", _DIFFER, renamed("frequency_penalty", "presence_penalty")),
    taking("rewards_no_presence", _LOWER, number("presence_penalty", lambda by: max(by, 0))),
    taking("rewards_no_frequency", _LOWER, number("frequency_penalty", lambda by: max(by, 0))),
    taking("rewards_presence", _LOWER, number("presence_penalty", lambda by: -by)),
    taking("rewards_frequency", _LOWER, number("frequency_penalty", lambda by: -by)),
    Fault(
        "gives_the_last_of_best_of",
        "sampling.best_of_is_the_likeliest",
        before=taking("", "", all_candidates).before,
        after=the_last_only,
    ),
]
