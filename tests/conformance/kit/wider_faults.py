"""Planted faults of streams, ends, stops, echoes, limits and vectors, after what real servers had."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

from tests.conformance.kit.changes import each_choice, usage
from tests.conformance.kit.faults import Exchange, Fault, answering, in_chunks, streaming
from tests.conformance.kit.twin_faults import COMPLETIONS, EMBEDDINGS

AskedChange = Callable[[dict[str, Any]], dict[str, Any]]


def asking(name: str, check: str, change: AskedChange, path: str = "") -> Fault:
    """The server reads other fields than were sent to the operations whose paths begin so."""

    def rewrite(exchange: Exchange) -> None:
        fields = exchange.fields
        if fields and exchange.path.startswith(path):
            exchange.body = json.dumps(fields | change(fields)).encode()

    return Fault(name, check, before=rewrite)


def everywhere(name: str, check: str, change: Callable[[Exchange, Any], Any]) -> Fault:
    """The server changes plain answers and each chunk of streams alike."""
    plain, chunks = answering("", "", change), in_chunks("", "", change)

    def rewrite(exchange: Exchange) -> None:
        for fault in (plain, chunks):
            assert fault.after is not None
            fault.after(exchange)

    return Fault(name, check, after=rewrite)


def whole_at_the_end(_: Exchange) -> None:
    """Change nothing: what is changed afterwards is kept until it is whole."""


def length_at_the_limit(exchange: Exchange, answer: Any) -> Any:
    """Call every text cut whose end, which is not counted, was the last token that is allowed."""
    limit = exchange.fields.get("max_tokens") or 0
    if (answer.get("usage") or {}).get("completion_tokens", -2) == limit - 1 and not exchange.fields.get("stop"):
        each_choice(answer, lambda choice: choice.update(finish_reason="length"))
    return answer


def stop_near_the_limit(exchange: Exchange, answer: Any) -> Any:
    """Call a text of more than one token that nearly filled its limit ended, unless it did not end at all."""
    limit = exchange.fields.get("max_tokens") or 0
    if exchange.fields.get("min_tokens") == 0 and limit and "choices" in answer:
        each_choice(answer, lambda choice: choice.update(finish_reason="stop"))
    return answer


def with_one_line_end(choice: Any) -> None:
    if "text" in choice:
        choice["text"] = choice["text"].replace("\r\n", "\n")


def held_to_its_end(exchange: Exchange, answer: Any) -> Any:
    """Keep for ever what might have begun a stop string."""
    stops = exchange.fields.get("stop")

    def keep(choice: Any) -> None:
        at = "text" if "text" in choice else "content"
        holder = choice if at == "text" else choice.get("message", {})
        for stop in stops if isinstance(stops, list) else ():
            for size in range(len(stop) - 1, 0, -1):
                if (holder.get(at) or "").endswith(stop[:size]) and choice["finish_reason"] == "length":
                    holder[at] = holder[at][:-size]
                    return

    return each_choice(answer, keep)


def one_more_after_a_stop(exchange: Exchange, answer: Any) -> Any:
    if exchange.fields.get("stop") and "choices" in answer:
        usage(answer, completion_tokens=1, total_tokens=1)
    return answer


def one_less_after_a_stop(exchange: Exchange, answer: Any) -> Any:
    if exchange.fields.get("stop") and "choices" in answer:
        usage(answer, completion_tokens=-1, total_tokens=-1)
    return answer


def logprobs_of_one_less(exchange: Exchange, answer: Any) -> Any:
    """A stop string takes the first token's logprobs away."""

    def cut(choice: Any) -> None:
        logprobs = choice.get("logprobs") or {}
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset", "content"):
            if logprobs.get(name):
                logprobs[name] = logprobs[name][1:]

    return each_choice(answer, cut) if exchange.fields.get("stop") else answer


def stripped(choice: Any) -> None:
    if "text" in choice:
        choice["text"] = choice["text"].strip()


def echo_stripped(exchange: Exchange, answer: Any) -> Any:
    return each_choice(answer, stripped) if exchange.fields.get("echo") else answer


def offsets_after_the_prompt(exchange: Exchange, answer: Any) -> Any:
    """With echo, count from where the text after the prompt begins."""
    prompt = exchange.fields.get("prompt")

    def move(choice: Any) -> None:
        if choice.get("logprobs") and isinstance(prompt, str):
            choice["logprobs"]["text_offset"] = [at + len(prompt) for at in choice["logprobs"]["text_offset"]]

    return each_choice(answer, move) if exchange.fields.get("echo") else answer


def one_kind_of_line_ends(_: Exchange, answer: Any) -> Any:
    return each_choice(answer, with_one_line_end)


def usage_beside_choices(frames: list[str]) -> list[str]:
    """Tell the usage in the last chunk that has choices."""
    told = [json.loads(frame[6:]) for frame in frames[:-1]]
    if len(told) < 2 or not told[-1].get("usage"):
        return frames
    told[-2]["usage"] = told.pop()["usage"]
    return [*(f"data: {json.dumps(chunk)}" for chunk in told), frames[-1]]


def created_an_hour_ago(_: Exchange, answer: Any) -> Any:
    return answer | {"created": answer["created"] - 3600} if "choices" in answer else answer


def clamped(name: str, most: float) -> AskedChange:
    """Take no more than ``most`` of a number, or of the length of a list, without a word."""

    def change(fields: dict[str, Any]) -> dict[str, Any]:
        value = fields.get(name)
        if isinstance(value, list):
            return {name: value[: int(most)]}
        return {name: min(value, most)} if isinstance(value, int | float) and not isinstance(value, bool) else {}

    return change


def biases_to_50(fields: dict[str, Any]) -> dict[str, Any]:
    bias = fields.get("logit_bias")
    return {"logit_bias": {key: max(-50, min(50, each)) for key, each in bias.items()}} if bias else {}


def last_of_the_prompt(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the last 500 letters of a prompt only."""
    prompt = fields.get("prompt")
    return {"prompt": prompt[-500:]} if isinstance(prompt, str) else {}


def short_inputs(fields: dict[str, Any]) -> dict[str, Any]:
    """Read the first 600 letters of a text only."""
    text = fields.get("input")
    return {"input": text[:600]} if isinstance(text, str) else {}


def as_halves(_: Exchange, answer: Any) -> Any:
    """Send each number through a float16."""

    def halved(numbers: Any) -> Any:
        if isinstance(numbers, str):
            raw = base64.b64decode(numbers)
            floats = struct.unpack(f"<{len(raw) // 4}f", raw)
            return base64.b64encode(struct.pack(f"<{len(floats)}f", *halved([*floats]))).decode()
        return [struct.unpack("<e", struct.pack("<e", number))[0] for number in numbers]

    for each in answer.get("data", ()):
        if "embedding" in each:
            each["embedding"] = halved(each["embedding"])
    return answer


def letters_as_halves(exchange: Exchange, answer: Any) -> Any:
    return as_halves(exchange, answer) if exchange.fields.get("encoding_format") == "base64" else answer


def reads_no_digits(fields: dict[str, Any]) -> dict[str, Any]:
    """Give texts that differ in digits one vector, as a cache with too short a key does."""
    text = fields.get("input")
    return {"input": text.replace("11", "10")} if isinstance(text, str) else {}


WIDER_FAULTS: list[Fault] = [
    Fault("sends_streams_at_their_end", "stream.comes_as_it_is_written", after=whole_at_the_end),
    streaming("tells_usage_beside_choices", "usage.stands_alone_in_streams", usage_beside_choices),
    everywhere("creates_an_hour_ago", "answer.is_created_when_asked", created_an_hour_ago),
    everywhere("calls_an_end_at_the_limit_cut", "finish.end_at_the_limit_is_a_stop", length_at_the_limit),
    answering("calls_a_cut_an_end", "finish.tells_an_end_from_a_cut", stop_near_the_limit),
    asking("stops_at_short_strings_only", "stop.may_be_long", lambda f: _stops(f, lambda each: len(each) <= 8)),
    asking("stops_at_ascii_only", "stop.is_of_any_letters", lambda f: _stops(f, str.isascii)),
    answering("keeps_what_it_held", "stop.gives_back_what_it_held", held_to_its_end),
    answering("cuts_logprobs_at_a_stop", "stop.leaves_the_logprobs_of_the_text", logprobs_of_one_less),
    answering("counts_one_more_at_a_stop", "usage.counts_to_the_stop", one_more_after_a_stop),
    answering("counts_one_less_at_a_stop", "usage.counts_to_the_stop", one_less_after_a_stop),
    everywhere("strips_echoes", "echo.keeps_white_space", echo_stripped),
    answering("counts_places_after_an_echo", "echo.offsets_begin_with_the_prompt", offsets_after_the_prompt),
    everywhere("has_one_kind_of_line_ends", "text.keeps_line_ends", one_kind_of_line_ends),
    asking("is_no_warmer_than_1", "sampling.temperature_has_no_ceiling", clamped("temperature", 1)),
    asking("is_no_warmer_than_1_5", "sampling.temperature_has_no_ceiling", clamped("temperature", 1.5)),
    asking("gives_8_choices", "choices.may_be_many", clamped("n", 8)),
    asking("reads_16_prompts", "choices.of_many_prompts", clamped("prompt", 16), COMPLETIONS),
    asking("gives_5_alternatives", "logprobs.are_as_many_as_asked", clamped("top_logprobs", 5)),
    asking("cuts_biases", "logit_bias.is_not_cut", biases_to_50),
    asking("reads_the_end_of_a_prompt", "prompt.is_read_to_its_beginning", last_of_the_prompt, COMPLETIONS),
    answering("encodes_halves", "embeddings.base64_is_exact", letters_as_halves),
    answering("has_vectors_of_halves", "embeddings.are_of_single_precision", as_halves),
    asking("mixes_up_near_texts", "embeddings.tell_near_texts_apart", reads_no_digits, EMBEDDINGS),
    asking("cuts_long_texts", "embeddings.long_texts_are_not_cut", short_inputs, EMBEDDINGS),
    asking("embeds_64_texts", "embeddings.may_be_many", clamped("input", 64), EMBEDDINGS),
]


def _stops(fields: dict[str, Any], keeps: Callable[[str], bool]) -> dict[str, Any]:
    """Return those stop strings that the server knows how to find."""
    given = fields.get("stop")
    stops = [given] if isinstance(given, str) else given or []
    return {"stop": [each for each in stops if keeps(each)] or None} if stops else {}
