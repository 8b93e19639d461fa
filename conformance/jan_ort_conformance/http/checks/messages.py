"""Anthropic's Messages API: what its clients read of answers, streams and errors."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from jan_ort_conformance.http.check_tools.asker import COUNT_MESSAGE, MESSAGES, MODELS, Asker, expect_effect
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.message_values import (
    LENGTHS,
    SAID,
    SCHEMA,
    WRONG,
    WRONG_IN_REQUESTS,
    Fields,
    tool,
)
from jan_ort_conformance.http.check_tools.other_sampling import FREE, expect_sampling
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.http.server.target import Answer
from jan_ort_conformance.verdicts.verdict import Level, Violation, expect

PROFILE = Profile("messages", (MESSAGES, COUNT_MESSAGE))

BODY: Fields = {"messages": [SAID], "max_tokens": 24, "temperature": 0}


def answered(server: Asker, **fields: Any) -> Any:
    """Return the message that answers a request."""
    server.has_compared = True
    message = server.answered(MESSAGES, BODY | fields)
    shape = (message["type"], message["role"], isinstance(message["content"], list))
    expect(shape == ("message", "assistant", True), f"the message is {message}")
    return message


def said(server: Asker, **fields: Any) -> str:
    """Return the text of an answer."""
    blocks = answered(server, **fields)["content"]
    return "".join(each["text"] for each in blocks if each["type"] == "text")


def counted(server: Asker, body: Fields) -> int:
    """Return the number of tokens of a prompt."""
    return int(server.answered(COUNT_MESSAGE, body)["input_tokens"])


def error_of(answer: Answer) -> dict[str, Any]:
    """Return the error of an answer in Anthropic's shape. Raises: Violation."""
    try:
        body = answer.json
        error: dict[str, Any] = body["error"]
        is_whole = body["type"] == "error" and isinstance(error["message"], str) and error["message"]
    except (ValueError, KeyError, TypeError) as cause:
        raise Violation(f"the answer has no error of this API: {answer}") from cause
    expect(bool(is_whole), f"the answer has no error of this API: {answer}")
    return error


def refused(server: Asker, path: str, body: Fields) -> dict[str, Any]:
    """Return the error of the answer to a request that must be refused with 400."""
    answer = server.post(path, body)
    expect(answer.status == 400, f"{json.dumps(body)[:300]} should be refused with 400; the answer is {answer}")
    error = error_of(answer)
    expect(error["type"] == "invalid_request_error", f"the error's type is {error['type']!r}")
    return error


@check("messages.answers", level=Level.CORE, needs=[MESSAGES])
def messages_answers(server: Asker) -> None:
    """An answer is a message of text blocks with a model, a stop reason and a usage."""
    answer = answered(server, max_tokens=3)
    expect(answer["stop_reason"] == "max_tokens", f"at 3 tokens the stop reason is {answer['stop_reason']!r}")
    expect(answer["stop_sequence"] is None, f"the stop sequence is {answer['stop_sequence']!r}")
    expect(answer["usage"]["output_tokens"] == 3, f"the usage of 3 tokens is {answer['usage']}")
    expect([each["type"] for each in answer["content"]] == ["text"], f"the content is {answer['content']}")


@check("messages.streams", level=Level.CORE, needs=[f"{MESSAGES} stream"])
def messages_streams(server: Asker) -> None:
    """A stream's events, each named by its type, put together the message that is answered without one."""
    whole = answered(server)
    answer = server.served(MESSAGES, BODY | {"stream": True})
    expect(answer.is_stream, f"the content type is {answer.headers.get('content-type')!r}")
    events = _events(answer.text)
    kinds = [each["type"] for each in events if each["type"] != "ping"]
    expect(
        kinds[:2] == ["message_start", "content_block_start"]
        and kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"],
        f"the events are {kinds}",
    )
    pieces = [each["delta"]["text"] for each in events if each["type"] == "content_block_delta"]
    expect(len(pieces) > 1, f"a stream of 24 tokens has {len(pieces)} pieces of text")
    told = "".join(pieces), events[-2]["delta"]["stop_reason"], events[-2]["usage"]["output_tokens"]
    plain = whole["content"][0]["text"], whole["stop_reason"], whole["usage"]["output_tokens"]
    expect(told == plain, f"the stream says {told}, the plain answer {plain}")


def _events(text: str) -> list[dict[str, Any]]:
    """Return the events of a stream. Raises: Violation for one that is not named by its type."""
    events = []
    for frame in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in frame.split("\n") if not line.startswith(":"))
        event = json.loads(lines["data"])
        expect(lines.get("event") == event["type"], f"an event is named {lines.get('event')!r}: {event}")
        events.append(event)
    return events


@check("messages.stop_sequences", needs=[f"{MESSAGES} stop_sequences"])
def messages_stop_sequences(server: Asker) -> None:
    """A stop sequence ends the text before it and is named."""
    whole = said(server)
    stop = whole[8:12]
    answer = answered(server, stop_sequences=["\0never", stop])
    text = answer["content"][0]["text"] if answer["content"] else ""
    expect_effect(text == whole[: whole.index(stop)], f"{stop!r} ends {whole!r} as {text!r}")
    told = answer["stop_reason"], answer["stop_sequence"]
    expect(told == ("stop_sequence", stop), f"the stop is told as {told}")


@check("messages.sampling", needs=[f"{MESSAGES} {name}" for name in FREE])
def messages_sampling(server: Asker) -> None:
    """The fields of sampling change the text, and a seed repeats it."""
    expect_sampling(partial(said, server))
    penalised = said(server, **FREE | {"temperature": 0, "repeat_penalty": 5, "max_tokens": 60})
    free_of_it = said(server, **FREE | {"temperature": 0, "max_tokens": 60})
    expect_effect(penalised != free_of_it, "repeat_penalty 5 changes nothing in 60 tokens")


@check("messages.tools_are_called", level=Level.CORE, needs=[f"{MESSAGES} tools", f"{MESSAGES} tool_choice"])
def messages_tools_are_called(server: Asker) -> None:
    """Some tool, and the named one, is called as the choice says; without parallel calls, once."""
    for choice, names in (({"type": "any"}, {"look", "take"}), ({"type": "tool", "name": "take"}, {"take"})):
        fields = {"tools": [tool(), tool("take")], "tool_choice": choice | {"disable_parallel_tool_use": True}}
        answer = answered(server, **fields, max_tokens=200)
        calls = [each for each in answer["content"] if each["type"] == "tool_use"]
        expect_effect(len(calls) == 1, f"the choice {choice} gives the content {answer['content']}")
        (call,) = calls
        expect_effect(call["name"] in names, f"the choice {choice} calls {call['name']!r}")
        expect(call["input"] == {"at": 1} and bool(call["id"]), f"the call is {call}")
        expect(answer["stop_reason"] == "tool_use", f"the stop reason of a call is {answer['stop_reason']!r}")


@check("messages.streams_calls", needs=[f"{MESSAGES} {name}" for name in ("stream", "tools", "tool_choice")])
def messages_streams_calls(server: Asker) -> None:
    """The pieces of a streamed call's input are together the input of the call that is answered whole."""
    fields = {"tools": [tool()], "tool_choice": {"type": "tool", "name": "look"}, "max_tokens": 200}
    whole = answered(server, **fields)["content"]
    events = _events(server.served(MESSAGES, BODY | fields | {"stream": True}).text)
    pieces = [event["delta"].get("partial_json") or "" for event in events if event["type"] == "content_block_delta"]
    inputs = [each["input"] for each in whole if each["type"] == "tool_use"]
    expect([json.loads("".join(pieces))] == inputs, f"the pieces {pieces} are not the input of {whole}")


@check("messages.events_name_their_block", needs=[f"{MESSAGES} {name}" for name in ("stream", "tools", "tool_choice")])
def messages_events_name_their_block(server: Asker) -> None:
    """Blocks of a stream are numbered from 0, and each event of one has its number."""
    forced = {"tools": [tool()], "tool_choice": {"type": "tool", "name": "look"}, "max_tokens": 200}
    for fields in ({}, forced):
        num_begun = 0
        for event in _events(server.served(MESSAGES, BODY | fields | {"stream": True}).text):
            num_begun += event["type"] == "content_block_start"
            told = event.get("index", num_begun - 1)
            expect(told == num_begun - 1, f"{event} is of block {num_begun - 1}")


@check("messages.output_format", needs=[f"{MESSAGES} output_config"])
def messages_output_format(server: Asker) -> None:
    """The text follows the schema of output_config.format."""
    text = said(server, output_config={"format": {"type": "json_schema", "schema": SCHEMA}}, max_tokens=200)
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    expect_effect(isinstance(found, dict) and found.get("at") == 1, f"the text of the schema is {text!r}")


@check("messages.counts", needs=[COUNT_MESSAGE])
def messages_counts(server: Asker) -> None:
    """What is counted of a request is its answer's usage.input_tokens, and grows with the prompt."""
    for name, shorter, longer in LENGTHS:
        few, many = (counted(server, body) for body in (shorter, longer))
        expect_effect(few < many or name == "messages.content.input", f"{name}: {few} tokens, and {many} of more")
    for body in (LENGTHS[0][1], LENGTHS[6][2]):
        number, usage = counted(server, body), answered(server, **body, max_tokens=1)["usage"]
        expect(usage["input_tokens"] == number, f"{number} tokens are counted, and the usage is {usage}")


_NAMES = [*(name for name, _ in WRONG), *(name for name, _ in WRONG_IN_REQUESTS)]


@check(
    "messages.members_are_read",
    needs=[MESSAGES, COUNT_MESSAGE],
    fields=[*(f"{MESSAGES} {name}" for name in _NAMES), *(f"{COUNT_MESSAGE} {name}" for name, _ in WRONG)],
)
def messages_members_are_read(server: Asker) -> None:
    """A wrong value of any field or member is refused with 400, in this API's shape."""
    answered(server)
    for path, known in ((MESSAGES, [*WRONG, *WRONG_IN_REQUESTS]), (COUNT_MESSAGE, WRONG)):
        for name, fields in known:
            if server.declaration.has(f"{path} {name}"):
                refused(server, path, (BODY if path == MESSAGES else {}) | fields)
    refused(server, MESSAGES, {"messages": [SAID]})


@check("messages.model", needs=[MESSAGES, COUNT_MESSAGE], fields=[f"{MESSAGES} model", f"{COUNT_MESSAGE} model"])
def messages_model(server: Asker) -> None:
    """The answer names its model, and the request's is read: a number is none."""
    known = [each["id"] for each in server.target.ask("GET", MODELS).json["data"]]
    model = answered(server, max_tokens=1)["model"]
    expect_effect(model in known, f"the model is {model!r}, which is not listed: {known}")
    for path in (MESSAGES, COUNT_MESSAGE):
        refused(server, path, BODY | {"model": 5})


@check("messages.no_key_is_401", level=Level.CORE, needs=[MESSAGES], needs_key=True)
def messages_no_key(server: Asker) -> None:
    """Without the key the answer is 401, in this API's shape."""
    answer = server.target.ask("POST", MESSAGES, BODY, credentials="")
    expect(answer.status == 401, f"without the key the answer is {answer}")
    error = error_of(answer)
    expect(error["type"] == "authentication_error", f"the error's type is {error['type']!r}")
