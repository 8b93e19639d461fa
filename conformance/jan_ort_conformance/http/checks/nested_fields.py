"""Members of nested fields: a chat's messages and tools, the same where tokens are counted, and an answer's format."""

from __future__ import annotations

from functools import partial, update_wrapper

from jan_ort_conformance.http.check_tools.answers import text_of
from jan_ort_conformance.http.check_tools.asker import (
    CHAT,
    COMPLETIONS,
    COUNT,
    GENERATING,
    GREEDY,
    NAMES,
    Asker,
    Untold,
    body_of,
    expect_effect,
)
from jan_ort_conformance.http.check_tools.http_check import HttpCheck, add, check
from jan_ort_conformance.http.check_tools.member_values import CONVERSATION, FORMS, IMAGES, PNG, Fields, Member
from jan_ort_conformance.verdicts.verdict import Level, expect

_BY_NAME = {member.name: member for member in (*CONVERSATION, *IMAGES, *FORMS)}


def _body(path: str, fields: Fields) -> Fields:
    bound = GREEDY | {"max_tokens": 8, "min_tokens": 0} if path in GENERATING else {}
    return body_of(path, **bound | fields)


def _seen(server: Asker, path: str, fields: Fields) -> str:
    """Return what a client sees of these fields: the length of the prompt, and what a chat answers to it."""
    answer = server.answered(path, _body(path, fields))
    if path == COUNT:
        return str(answer["count"])
    choice, length = answer["choices"][0], answer["usage"]["prompt_tokens"]
    message = choice.get("message") or {}
    calls = [each["function"] for each in message.get("tool_calls") or ()]
    return f"{length} tokens, {text_of(choice)!r} {calls} {message.get('function_call') or ''}"


def _is_seen(server: Asker, path: str, member: Member) -> bool:
    """Whether each value of the member is another prompt or answer."""
    seen = {_seen(server, path, member.fields(value)) for value in member.values}
    return bool(member.values) and len(seen) == len(member.values)


def member_is_read(path: str, member: Member, server: Asker) -> None:
    """Judge by the effect; where the model's template may leave the member out, by whether a wrong value is refused."""
    if _is_seen(server, path, member):
        return
    if member.beside is not None:
        expect_effect(
            not _is_seen(server, path, _BY_NAME[member.beside]),
            f"{member.beside} is a part of the prompt, and {member.name} is not: {member.values} make no difference",
        )
    answer = server.post(path, _body(path, member.fields(member.wrong)))
    told = f"{member.name} {member.wrong!r}"
    expect_effect(answer.status != 200, f"{told} is accepted, and no valid value makes a difference")
    expect(answer.status in (400, 422), f"{told} should be refused with 422 or 400; the answer is {answer}")
    if not server.declaration.has(f"{path} {member.name}"):
        raise Untold(f"{told} is refused, which a server does that has no such field at all")


def _register(path: str, kind: str, member: Member) -> None:
    run = partial(member_is_read, path, member)
    update_wrapper(run, member_is_read)
    other = "another prompt or answer, or left out by the model's template and " if member.values else ""
    run.__doc__ = f"{member.name} is read: {other}refused where it is invalid."
    field = f"{path} {member.name}"
    optional = member.name.partition(".")[0]
    add(HttpCheck(f"field.{kind}.{member.name}", run, Level.FULL, (field,), optional, (field,), False))


for _member in (*CONVERSATION, *IMAGES, *FORMS):
    _register(CHAT, "chat", _member)
for _member in FORMS:
    _register(COMPLETIONS, NAMES[COMPLETIONS], _member)
for _member in (*CONVERSATION, *IMAGES):
    _register(COUNT, "count", _member)


@check("field.chat.images", optional="messages", needs=[f"{CHAT} messages.content.image_url"])
def images(server: Asker) -> None:
    """An image is a part of the prompt, or a model that reads text only refuses it by name."""
    question = {"type": "text", "text": "What is it?"}
    image = {"type": "image_url", "image_url": {"url": PNG}}
    without, beside = (
        server.ask(CHAT, **GREEDY, messages=[{"role": "user", "content": parts}])["usage"]["prompt_tokens"]
        for parts in ([question], [question, image])
    )
    expect_effect(without < beside, f"without an image the prompt has {without} tokens, with one {beside}")


@check("count.is_the_prompt_of_any_chat", needs=[CHAT, f"{COUNT} messages.tool_calls", f"{COUNT} tools"])
def is_the_prompt_of_any_chat(server: Asker) -> None:
    """Conversations with names, calls, results and tools have the prompt that the count says."""
    for member in CONVERSATION:
        for value in member.values:
            fields = member.fields(value)
            count = server.answered(COUNT, body_of(COUNT, **{k: v for k, v in fields.items() if k != "max_tokens"}))
            usage = server.answered(CHAT, _body(CHAT, fields | {"max_tokens": 1}))["usage"]
            told = f"{member.name} {value!r}: counted {count['count']}, {usage}"
            expect(count["count"] == usage["prompt_tokens"], told)
