"""Planted faults like those that a stranger drew: kept too long, ranked or read in part, or told a little off."""

from __future__ import annotations

import json
import secrets
from typing import Any

from tests.conformance.kit.changes import each_choice
from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks, streaming
from tests.conformance.kit.member_faults import CHAT
from tests.conformance.kit.response_faults import RESPONSES
from tests.conformance.kit.twin_faults import COMPLETIONS
from tests.conformance.kit.wider_faults import asking

Fields = dict[str, Any]

FILTERS = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty", "frequency_penalty")
CHUNK = 64


def ranking_by_sums() -> Fault:
    """Of several candidates the text is given whose logprobs have the highest sum, which a short one has."""
    asked: list[int] = []

    def ask_for_all(exchange: Exchange) -> None:
        fields, best_of = exchange.fields, exchange.fields.get("best_of")
        if exchange.path == COMPLETIONS and isinstance(best_of, int) and best_of > 1 and fields.get("n", 1) == 1:
            asked.append(best_of)
            exchange.body = json.dumps(fields | {"n": best_of, "logprobs": 0}).encode()

    def choose(exchange: Exchange) -> None:
        if asked and exchange.status == 200 and not exchange.is_stream:
            asked.pop()
            answer = json.loads(exchange.answer)
            best = max(answer["choices"], key=lambda choice: sum(choice["logprobs"]["token_logprobs"]))
            choices = [best | {"index": 0, "logprobs": None}]
            exchange.answer = json.dumps(answer | {"choices": choices}).encode()

    return Fault("ranks_by_sums", "sampling.best_of_is_no_sum", before=ask_for_all, after=choose)


def without_a_token(_: Exchange, answer: Any) -> Any:
    """Leave out the entry of the token at the edge of a chunk, as only a long prompt has one."""

    def leave_out(choice: Any) -> None:
        for entries in (choice.get("logprobs") or {}).values():
            if isinstance(entries, list):
                del entries[CHUNK : CHUNK + 1]

    return each_choice(answer, leave_out)


def likelier(exchange: Exchange, answer: Any) -> Any:
    """Tell logprobs as if some tokens of the vocabulary were not there, but for those of an echo."""

    def raise_a_little(choice: Any) -> None:
        logprobs = choice.get("logprobs") or {}
        if "token_logprobs" in logprobs:
            logprobs["token_logprobs"] = [min(value + 0.01, 0.0) for value in logprobs["token_logprobs"]]

    return answer if exchange.fields.get("echo") else each_choice(answer, raise_a_little)


def stripped(_: Exchange, chunk: Any) -> Any:
    for choice in chunk.get("choices", ()):
        for call in choice.get("delta", {}).get("tool_calls") or ():
            call["function"] |= {"arguments": (call["function"].get("arguments") or "").strip()}
    return chunk


def cached_in_each(exchange: Exchange, answer: Any) -> Any:
    told = (answer.get("usage") or {}).get("prompt_tokens_details") or {} if isinstance(answer, dict) else {}
    if told.get("cached_tokens"):
        told["cached_tokens"] *= exchange.fields.get("n") or 1
    return answer


def first_blocks(fields: Fields) -> Fields:
    system = fields.get("system")
    return {"system": system[:1]} if isinstance(system, list) else {}


def first_parts(fields: Fields) -> Fields:
    items = fields.get("input")
    if not isinstance(items, list):
        return {}
    return {
        "input": [
            item | {"content": item["content"][:1]}
            if isinstance(item, dict) and isinstance(item.get("content"), list)
            else item
            for item in items
        ]
    }


def keeping_instructions() -> Fault:
    """The instructions of one response are those of the next, which goes on from it."""
    kept: list[object] = []

    def hand_on(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path != RESPONSES:
            return
        if fields.get("instructions"):
            kept[:] = [fields["instructions"]]
        elif fields.get("previous_response_id") and kept:
            exchange.body = json.dumps(fields | {"instructions": kept[0]}).encode()

    name = "responses_keep_instructions"
    return Fault(name, "responses.instructions_are_of_their_response", before=hand_on)


def keeping_filters() -> Fault:
    """A request that draws has the filters of the one before it, unless that was greedy."""
    kept: list[Fields] = []

    def exchange_filters(exchange: Exchange) -> None:
        fields = exchange.fields
        if exchange.path not in (COMPLETIONS, CHAT):
            return
        own = {name: fields[name] for name in FILTERS if name in fields}
        if kept and own.get("temperature"):
            exchange.body = json.dumps({k: v for k, v in fields.items() if k not in FILTERS} | kept[0]).encode()
        kept[:] = [own] if own.get("temperature") else []

    return Fault("keeps_filters", "seed.holds_after_other_fields", before=exchange_filters)


def random_seed(fields: Fields) -> Fields:
    """Draw otherwise each time where the filters are the server's own."""
    return {} if "top_k" in fields or "seed" not in fields else {"seed": secrets.randbelow(2**31)}


def in_frames(name: str, check: str, old: str, new: str) -> Fault:
    """Each event of a stream has something else in place of a text."""
    return streaming(name, check, lambda frames: [frame.replace(old, new) for frame in frames])


def ending(name: str, index: str) -> Fault:
    """The event that ends a text says another place than those of its pieces."""

    def change(frames: list[str]) -> list[str]:
        old, new = f'"{index}":0', f'"{index}":1'
        return [each.replace(old, new) if "output_text.done" in each else each for each in frames]

    return streaming(name, "responses.events_name_their_item", change)


def at_once(fields: Fields) -> Fields:
    return {"min_tokens": 0} if "stop_token_ids" in fields else {}


DRAWN_FAULTS: list[Fault] = [
    ranking_by_sums(),
    answering("loses_a_token_of_long_echoes", "echo.of_long_prompts_has_every_token", without_a_token),
    answering("tells_logprobs_of_the_largest", "logprobs.are_those_of_the_echo", likelier),
    in_chunks("strips_streamed_arguments", "tools.streamed_arguments_are_the_plain_ones", stripped),
    answering("adds_cached_tokens_up", "usage.cached_tokens_are_of_the_prompt", cached_in_each),
    asking("reads_the_first_system_block", "messages.counts", first_blocks, "/v1/messages"),
    asking("reads_the_first_part", "responses.every_part_is_read", first_parts, RESPONSES),
    keeping_instructions(),
    keeping_filters(),
    asking("forgets_seeds_of_its_own_filters", "seed.repeats_as_the_server_draws", random_seed, COMPLETIONS),
    in_frames("messages_lose_pieces_of_calls", "messages.streams_calls", '"partial_json"', '"partial"'),
    in_frames("messages_number_blocks_from_1", "messages.events_name_their_block", '"index":0', '"index":1'),
    in_frames("responses_lose_pieces_of_calls", "responses.streams_calls", "arguments.delta", "arguments.piece"),
    ending("responses_end_the_next_item", "output_index"),
    ending("responses_end_the_next_part", "content_index"),
    asking("stops_by_ids_at_once", "stop.token_ids_wait_for_min_tokens", at_once, COMPLETIONS),
]
