"""Planted faults of conversations, calls, company, kept prompts and side doors, after what real servers had."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.auth_faults import KEY
from tests.conformance.kit.changes import each_choice
from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks
from tests.conformance.kit.member_faults import CHAT
from tests.conformance.kit.twin_faults import COMPLETIONS
from tests.conformance.kit.wider_faults import asking, everywhere

Fields = dict[str, Any]


def _messages(fields: Fields) -> list[Any]:
    messages = fields.get("messages")
    return messages if isinstance(messages, list) and all(isinstance(each, dict) for each in messages) else []


def one_of(role: str) -> Any:
    """Keep the first message of a role only."""

    def change(fields: Fields) -> Fields:
        messages = _messages(fields)
        first = next((each for each in messages if each.get("role") == role), None)
        return (
            {"messages": [each for each in messages if each.get("role") != role or each is first]} if messages else {}
        )

    return change


def without_developers(fields: Fields) -> Fields:
    kept = [each for each in _messages(fields) if each.get("role") != "developer"]
    return {"messages": kept} if kept else {}


def last_eight(fields: Fields) -> Fields:
    """Keep the first message and the last eight."""
    messages = _messages(fields)
    return {"messages": [messages[0], *messages[-8:]]} if len(messages) > 9 else {}


def fitting(fields: Fields) -> Fields:
    """Drop the oldest messages until the rest is short."""
    messages = _messages(fields)
    while len(messages) > 1 and len(json.dumps(messages)) > 300:
        messages = messages[1:]
    return {"messages": messages} if messages else {}


def unescaped(_: Exchange, answer: Any) -> Any:
    """Escape the arguments of calls once too often."""

    def change(choice: Any) -> None:
        for holder in (choice.get("message") or {}, choice.get("delta") or {}):
            for call in holder.get("tool_calls") or ():
                function = call.get("function") or {}
                if function.get("arguments"):
                    function["arguments"] = function["arguments"].replace("\\n", "\\\\n")

    return each_choice(answer, change)


def first_index(_: Exchange, answer: Any) -> Any:
    """Give every piece of a streamed call the index 0."""

    def change(choice: Any) -> None:
        for piece in (choice.get("delta") or {}).get("tool_calls") or ():
            piece["index"] = 0

    return each_choice(answer, change)


def numbered_calls(_: Exchange, answer: Any) -> Any:
    """Number the calls of each answer anew."""

    def change(choice: Any) -> None:
        for number, call in enumerate((choice.get("message") or {}).get("tool_calls") or ()):
            call["id"] = f"call_{choice['index']}_{number}"

    return each_choice(answer, change)


def in_company(name: str, check: str, path: str, change: Callable[[Fields, Fields], Fields]) -> Fault:
    """The server mixes up requests at once: ``change`` has the fields of one, and of another that is being served."""
    served: list[Exchange] = []

    def begin(exchange: Exchange) -> None:
        if exchange.path == path and exchange.fields:
            fields, others = exchange.fields, [each.fields for each in served]
            other = next((each for each in others if each != fields), None)
            served.append(exchange)
            if other is not None:
                exchange.body = json.dumps(change(fields, other)).encode()

    def end(exchange: Exchange) -> None:
        served[:] = [each for each in served if each is not exchange]

    return Fault(name, check, before=begin, after=end)


class Kept:
    """What a cache of prompts remembers, and what it gets wrong of what it remembers."""

    def __init__(self) -> None:
        self.prompts: set[str] = set()

    def is_kept(self, exchange: Exchange) -> bool:
        """Whether the prompt was asked before; from now on it was."""
        asked = json.dumps(exchange.fields.get("prompt") or exchange.fields.get("messages"))
        was = asked in self.prompts
        self.prompts.add(asked)
        return was


def uncounted() -> Fault:
    """The usage does not count the tokens of a prompt that were kept."""
    kept = Kept()

    def change(exchange: Exchange, answer: Any) -> Any:
        if "choices" in answer and kept.is_kept(exchange):
            answer["usage"]["total_tokens"] -= answer["usage"]["prompt_tokens"] - 1
            answer["usage"]["prompt_tokens"] = 1
        return answer

    return answering("counts_no_kept_tokens", "usage.counts_what_was_kept", change)


def one_off_at_borders() -> Fault:
    """A prompt of whole blocks loses its last word when it comes again."""
    kept = Kept()

    def change(exchange: Exchange) -> None:
        prompt = exchange.fields.get("prompt")
        if isinstance(prompt, str) and kept.is_kept(exchange) and prompt.count(" a") % 32 == 0:
            exchange.body = json.dumps(exchange.fields | {"prompt": prompt[:-2]}).encode()

    return Fault("loses_a_word_at_a_border", "prompt.comes_again_at_any_length", before=change)


def refuse_null(exchange: Exchange) -> None:
    if any(value is None for value in exchange.fields.values()) and exchange.path in (COMPLETIONS, CHAT):
        exchange.status, exchange.answer = 500, b'{"error": {"message": "x", "type": "x", "param": null, "code": null}}'


def first_alternatives(_: Exchange, answer: Any) -> Any:
    """Give each token the alternatives of the first."""

    def change(choice: Any) -> None:
        logprobs = choice.get("logprobs") or {}
        if logprobs.get("content"):
            for each in logprobs["content"]:
                each["top_logprobs"] = logprobs["content"][0]["top_logprobs"]
        elif logprobs.get("top_logprobs"):
            logprobs["top_logprobs"] = [logprobs["top_logprobs"][0] for _ in logprobs["top_logprobs"]]

    return each_choice(answer, change)


def warmed(exchange: Exchange, answer: Any) -> Any:
    """Divide logprobs by the temperature, as if they were logits."""
    at = exchange.fields.get("temperature") or 1

    def change(choice: Any) -> None:
        for top in (choice.get("logprobs") or {}).get("top_logprobs") or ():
            for token in top or ():
                top[token] /= at

    return each_choice(answer, change)


def key_of_query(exchange: Exchange) -> None:
    """Take the key from a query."""
    if exchange.query.startswith("token="):
        exchange.headers["authorization"] = "Bearer " + exchange.query.removeprefix("token=")


def open_with_a_slash(exchange: Exchange) -> None:
    """Ask for no key where the path has a slash at its end."""
    if exchange.path.endswith("/") and exchange.path.startswith("/v1/"):
        exchange.headers["authorization"] = f"Bearer {KEY}"
        exchange.path = exchange.path.rstrip("/")


def other_stop(fields: Fields, former: Fields) -> Fields:
    return fields | {"stop": former.get("stop")}


def other_prompt(fields: Fields, former: Fields) -> Fields:
    return fields | {"prompt": former.get("prompt")}


def other_limits(fields: Fields, former: Fields) -> Fields:
    return fields | {name: former.get(name) for name in ("max_tokens", "min_tokens") if name in former}


def other_messages(fields: Fields, former: Fields) -> Fields:
    return fields | {"messages": former.get("messages")}


CONVERSATION_FAULTS: list[Fault] = [
    asking("reads_one_system_message", "chat.second_instructions_are_read", one_of("system"), CHAT),
    asking("reads_no_developer", "chat.developer_is_read", without_developers, CHAT),
    asking("reads_one_result", "chat.every_result_is_read", one_of("tool"), CHAT),
    asking("reads_nine_messages", "chat.long_histories_are_read", last_eight, CHAT),
    asking("drops_what_does_not_fit", "overflow.is_of_the_whole_history", fitting, CHAT),
    everywhere("escapes_arguments_twice", "tools.arguments_keep_their_escapes", unescaped),
    in_chunks("streams_every_call_as_the_first", "tools.streamed_calls_are_told_apart", first_index),
    answering("numbers_calls_anew", "tools.ids_are_of_their_turn", numbered_calls),
    in_company("stops_like_its_neighbour", "stop.holds_in_company", COMPLETIONS, other_stop),
    in_company("streams_its_neighbours_text", "connection.streams_at_once_are_apart", COMPLETIONS, other_prompt),
    in_company("is_as_long_as_its_neighbour", "connection.fields_are_of_their_request", CHAT, other_limits),
    in_company("answers_its_neighbour", "connection.answers_are_of_their_question", CHAT, other_messages),
    uncounted(),
    one_off_at_borders(),
    Fault("crashes_on_null", "field.null_is_left_out", after=refuse_null),
    answering("repeats_the_first_alternatives", "logprobs.follow_their_tokens", first_alternatives),
    answering("warms_logprobs", "logprobs.follow_no_temperature", warmed),
    Fault("takes_the_key_in_a_query", "auth.key_is_not_in_the_query", before=key_of_query),
    Fault("opens_paths_with_a_slash", "auth.holds_on_sibling_paths", before=open_with_a_slash),
]
