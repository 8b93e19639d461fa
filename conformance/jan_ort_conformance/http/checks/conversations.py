"""Conversations: every message is a part of the prompt, whatever its role, its place and how many there are."""

from __future__ import annotations

from typing import Any

from jan_ort_conformance.http.check_tools.answers import error_of
from jan_ort_conformance.http.check_tools.asker import CHAT, GREEDY, HELLO, Asker, Refused, Untold, tool
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.verdicts.verdict import Level, Violation, expect

Messages = list[dict[str, Any]]

SHORT, LONG = "Yes.", "Yes. " + "one two three four five six seven eight " * 2
LEAST = 8
"""Tokens that LONG has more than SHORT, whatever the tokenizer."""
NUM_TURNS = 10


def _count(server: Asker, messages: Messages, **fields: Any) -> int:
    usage = server.ask(CHAT, **GREEDY | {"max_tokens": 1, "min_tokens": 1}, messages=messages, **fields)["usage"]
    return int(usage["prompt_tokens"])


def _is_read(server: Asker, messages: Messages, index: int, **fields: Any) -> bool:
    """Whether a longer content of one message makes a longer prompt. Raises: Untold where the model takes none such."""
    counts = []
    for content in (SHORT, LONG):
        changed = [each | ({"content": content} if at == index else {}) for at, each in enumerate(messages)]
        try:
            counts.append(_count(server, changed, **fields))
        except Refused as refusal:
            if refusal.answer.status >= 500:
                raise
            roles = [each["role"] for each in messages]
            raise Untold(f"messages of {roles} are refused: {refusal.answer}") from refusal
    return counts[1] - counts[0] >= LEAST


def _expect_read(server: Asker, messages: Messages, index: int, told: str) -> None:
    """Expect that a message is a part of the prompt. Raises: Untold where usage counts no message in full."""
    if _is_read(server, messages, index):
        return
    if not _is_read(server, [_said("user")], 0):
        raise Untold("a longer message has no more prompt_tokens, no matter who wrote it")
    raise Violation(told)


def _said(role: str) -> dict[str, Any]:
    return {"role": role, "content": SHORT}


@check("chat.second_instructions_are_read", needs=[f"{CHAT} messages"])
def second_instructions_are_read(server: Asker) -> None:
    """A second system message counts as the first does: beside it, and later in the conversation."""
    begun = [_said("system"), _said("system"), *HELLO]
    later = [_said("system"), *HELLO, _said("assistant"), _said("system"), *HELLO]
    if not _is_read(server, [_said("system"), *HELLO], 0):
        raise Untold("the model's template has no place for a system message")
    expect(_is_read(server, begun, 1), "the second of two system messages is no part of the prompt")
    expect(_is_read(server, begun, 0), "the first of two system messages is no part of the prompt")
    expect(_is_read(server, later, 3), "a system message after the first turn is no part of the prompt")


@check("chat.developer_is_read", needs=[f"{CHAT} messages"])
def developer_is_read(server: Asker) -> None:
    """A developer message is a part of the prompt, first or beside a system message, or it is refused."""
    _expect_read(server, [_said("developer"), *HELLO], 0, "a developer message is no part of the prompt")
    both = [_said("system"), _said("developer"), *HELLO]
    _expect_read(server, both, 1, "a developer message after a system message is no part of the prompt")


def _results() -> Messages:
    """Return a conversation in which two calls have two results."""
    calls = [
        {"id": each, "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
        for each in ("abcdefgh1", "abcdefgh2")
    ]
    results = [_said("tool") | {"tool_call_id": call["id"]} for call in calls]
    return [*HELLO, {"role": "assistant", "content": None, "tool_calls": calls}, *results]


@check("chat.every_result_is_read", needs=[f"{CHAT} messages", f"{CHAT} tools"])
def every_result_is_read(server: Asker) -> None:
    """The results of two calls are both parts of the prompt."""
    messages = _results()
    first, second = (_is_read(server, messages, index, tools=[tool("look")]) for index in (2, 3))
    if not first and not second:
        raise Untold("the model's template has no place for the result of a call")
    expect(
        first and second, f"of two results of calls {'the second' if first else 'the first'} is no part of the prompt"
    )


@check("chat.long_histories_are_read", needs=[f"{CHAT} messages"])
def long_histories_are_read(server: Asker) -> None:
    """Of twenty-one messages each is a part of the prompt: the first, those in the middle and the last."""
    length = server.declaration.context_length
    if length is not None and length < 24 * NUM_TURNS + 64:
        raise Untold(f"{2 * NUM_TURNS + 1} messages may be longer than the context of {length} tokens")
    history = [_said("user"), _said("assistant")] * NUM_TURNS + [_said("user")]
    for index in (0, NUM_TURNS, NUM_TURNS + 1, len(history) - 1):
        _expect_read(server, history, index, f"message {index + 1} of {len(history)} is no part of the prompt")


@check("chat.parts_are_read_in_every_role", needs=[f"{CHAT} messages"])
def parts_are_read_in_every_role(server: Asker) -> None:
    """A message of earlier turns given as one text part counts as its text does, whoever wrote it."""
    history = [_said("system"), *HELLO, {"role": "assistant", "content": LONG}, *HELLO]
    whole = _count(server, history)
    for index, message in enumerate(history):
        part = message | {"content": [{"type": "text", "text": message["content"]}]}
        try:
            count = _count(server, [*history[:index], part, *history[index + 1 :]])
        except Refused as refusal:
            if refusal.answer.status >= 500:
                raise
            continue
        told = f"with the {message['role']} message as a text part a prompt has {count} tokens, with its text {whole}"
        expect(count == whole, told)


@check("chat.parts_of_results_are_read", needs=[f"{CHAT} messages", f"{CHAT} tools"])
def parts_of_results_are_read(server: Asker) -> None:
    """The result of a call given as a list of text parts counts as its text does, or is refused."""
    counts = []
    for content in (LONG, [{"type": "text", "text": LONG}]):
        messages = [*_results()[:-1], _results()[-1] | {"content": content}]
        try:
            counts.append(_count(server, messages, tools=[tool("look")]))
        except Refused as refusal:
            if refusal.answer.status >= 500:
                raise
            raise Untold(f"such a result is refused: {refusal.answer}") from refusal
    expect(counts[0] == counts[1], f"with a result as text a prompt has {counts[0]} tokens, as a part {counts[1]}")


@check("overflow.is_of_the_whole_history", needs=[f"{CHAT} messages"])
def overflow_is_of_the_whole_history(server: Asker) -> None:
    """Messages that are together longer than the context are refused as one such is; none is dropped in silence."""
    length = server.declaration.context_length
    if length is None:
        raise Untold("the server does not tell its context_length")
    content = "word " * (length // 8)
    messages = [{"role": role, "content": content} for role in ("user", "assistant")] * 6 + [*HELLO]
    answer = server.post(CHAT, {"messages": messages, "max_tokens": 1})
    told = f"{len(messages)} messages of {length // 8} words are answered {answer}; the context holds {length} tokens"
    expect(answer.status == 400, told)
    if server.level is Level.STRICT:
        expect(error_of(answer)["code"] == "context_length_exceeded", told)
