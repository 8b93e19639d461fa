"""Open Responses: items and events of /v1/responses, formats, calls, and responses that are stored and continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from jan_ort_conformance.http.check_tools.asker import CHAT, RESPONSES, Asker, expect_effect
from jan_ort_conformance.http.check_tools.http_check import check
from jan_ort_conformance.http.check_tools.profile import Profile
from jan_ort_conformance.http.server.events import events_of
from jan_ort_conformance.verdicts.verdict import Level, expect

STORED = f"{RESPONSES}/{{response_id}}"
INPUT_ITEMS, CANCEL = f"{STORED}/input_items", f"{STORED}/cancel"
PROFILE = Profile("responses", (RESPONSES, STORED, INPUT_ITEMS, CANCEL))

ASKED: dict[str, Any] = {"input": "Tell me a story.", "temperature": 0, "max_output_tokens": 24}
SCHEMA = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"], "additionalProperties": False}
TOOL = {"type": "function", "name": "tell", "parameters": SCHEMA}

_TEXTS = "instructions previous_response_id truncation service_tier safety_identifier prompt_cache_key user model"
_NUMBERS = "max_output_tokens max_tool_calls temperature top_p presence_penalty frequency_penalty top_logprobs"
_PART = ("type", "text", "refusal", "image_url", "detail")
_TOOL = ("type", "name", "description", "parameters", "strict")


def _wrong() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each field and member with a body in which only its type is wrong."""
    for name in _TEXTS.split():
        yield name, {name: 5}
    for name in (*_NUMBERS.split(), "store", "stream", "background", "parallel_tool_calls"):
        yield name, {name: "x"}
    for name in ("input", "include", "tools", "tool_choice", "text", "reasoning", "stream_options", "metadata"):
        yield name, {name: 5}
    for name in ("type", "role", "content", "id", "status", "phase", "call_id", "name", "arguments", "output"):
        yield f"input.{name}", {"input": [{"role": "user", "content": "a"} | {name: 5}]}
    for name in ("summary", "encrypted_content"):
        yield f"input.{name}", {"input": [{"type": "reasoning", "summary": []} | {name: 5}]}
    for field in ("content", "output", "summary"):
        for name in _PART:
            yield f"input.{field}.{name}", {"input": [{"role": "user", field: [{"type": "input_text"} | {name: 5}]}]}
    for name in _TOOL:
        yield f"tools.{name}", {"tools": [TOOL | {name: 5}]}
        yield f"tool_choice.tools.{name}", {"tool_choice": {"type": "allowed_tools", "tools": [TOOL | {name: 5}]}}
    for name in ("type", "name", "mode", "tools"):
        yield f"tool_choice.{name}", {"tool_choice": {"type": "function", name: 5}}
    for name in ("type", "name", "description", "schema", "strict"):
        yield f"text.format.{name}", {"text": {"format": {"type": "text"} | {name: 5}}}
    yield from ((f"text.{name}", {"text": {name: 5}}) for name in ("format", "verbosity"))
    yield from ((f"reasoning.{name}", {"reasoning": {name: 5}}) for name in ("effort", "summary"))
    yield "stream_options.include_obfuscation", {"stream_options": {"include_obfuscation": "x"}}


WRONG = dict(_wrong())


def responded(server: Asker, **fields: Any) -> Any:
    """Return the response to a request that must be served."""
    return server.answered(RESPONSES, ASKED | fields)


def said(response: Any) -> str:
    """Return the text of the response's messages."""
    messages = [item for item in response["output"] if item["type"] == "message"]
    return "".join(part["text"] for item in messages for part in item["content"])


@check("responses.says_what_a_chat_says", level=Level.CORE, needs=[RESPONSES, CHAT])
def responses_says_what_a_chat_says(server: Asker) -> None:
    """At temperature 0 a response has the text and the tokens of a chat of the same conversation."""
    asked = {"messages": [{"role": "user", "content": ASKED["input"]}], "temperature": 0, "max_tokens": 24}
    chat, response = server.answered(CHAT, asked), responded(server, store=False)
    expected = chat["choices"][0]["message"]["content"]
    expect(said(response) == expected, f"the chat says {expected!r}, the response {said(response)!r}")
    counts = [response["usage"][name] for name in ("input_tokens", "output_tokens")]
    counted = [chat["usage"][name] for name in ("prompt_tokens", "completion_tokens")]
    expect(counts == counted, f"the chat has {counted} tokens, the response {counts}")


@check("responses.events_in_order", level=Level.CORE, needs=[RESPONSES])
def responses_events_in_order(server: Asker) -> None:
    """Events are numbered one by one, begin with response.created, and end with the response that is answered whole."""
    whole = responded(server, store=False)
    answer = server.served(RESPONSES, ASKED | {"stream": True, "store": False})
    events = [json.loads(each) for each in events_of(answer.body) if each != "[DONE]"]
    numbers = [event.get("sequence_number") for event in events]
    expect(numbers == [*range(len(events))], f"the numbers are {numbers}")
    kinds = [event["type"] for event in events]
    expect(kinds[:2] == ["response.created", "response.in_progress"], f"the stream begins with {kinds[:2]}")
    expect(kinds[-1] in ("response.completed", "response.incomplete"), f"the stream ends with {kinds[-1]}")
    deltas = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    expect(deltas == said(events[-1]["response"]) == said(whole), f"the deltas say {deltas!r}, and all {said(whole)!r}")
    for opened, closed in (("output_item.added", "output_item.done"), ("content_part.added", "content_part.done")):
        counts = [kinds.count(f"response.{name}") for name in (opened, closed)]
        expect(counts[0] == counts[1] > 0, f"{opened} and {closed} come {counts} times")


@check("responses.events_name_their_item", needs=[RESPONSES])
def responses_events_name_their_item(server: Asker) -> None:
    """Each event of a stream has the place of its item, and of its part, in the response at the end."""
    forced = {"tools": [TOOL], "tool_choice": {"type": "function", "name": "tell"}, "max_output_tokens": 200}
    for fields in ({}, forced):
        answer = server.served(RESPONSES, ASKED | fields | {"stream": True, "store": False})
        events = [json.loads(each) for each in events_of(answer.body) if each != "[DONE]"]
        output = events[-1]["response"]["output"]
        for event in events:
            if "output_index" in event:
                item = output[event["output_index"]] if event["output_index"] < len(output) else {}
                item_id = event.get("item_id") or event["item"]["id"]
                expect(item.get("id") == item_id, f"{event} is not of item {event['output_index']} of {output}")
            if "content_index" in event:
                num_parts = len(item["content"])
                expect(event["content_index"] < num_parts, f"{event} is of a part of {num_parts}")


@check("responses.format_and_call", needs=[RESPONSES])
def responses_format_and_call(server: Asker) -> None:
    """text.format holds the text to its schema, and a forced call has arguments that follow the tool's."""
    form = {"type": "json_schema", "name": "at", "schema": SCHEMA}
    text = said(responded(server, text={"format": form}, max_output_tokens=64))
    expect(json.loads(text) == {"at": 1}, f"the text is {text!r}")
    forced = responded(server, tools=[TOOL], tool_choice={"type": "function", "name": "tell"}, max_output_tokens=200)
    calls = [item for item in forced["output"] if item["type"] == "function_call"]
    expect([(call["name"], json.loads(call["arguments"])) for call in calls] == [("tell", {"at": 1})], f"it is {calls}")


@check("responses.streams_calls", needs=[RESPONSES])
def responses_streams_calls(server: Asker) -> None:
    """The pieces of a streamed call's arguments are together those of its end, and of the call in a plain answer."""
    server.has_compared = True
    forced = {"tools": [TOOL], "tool_choice": {"type": "function", "name": "tell"}, "max_output_tokens": 200}
    (call,) = (item for item in responded(server, **forced, store=False)["output"] if item["type"] == "function_call")
    answer = server.served(RESPONSES, ASKED | forced | {"stream": True, "store": False})
    events = [json.loads(each) for each in events_of(answer.body) if each != "[DONE]"]
    kind = "response.function_call_arguments"
    pieces = "".join(event["delta"] for event in events if event["type"] == f"{kind}.delta")
    ends = [event["arguments"] for event in events if event["type"] == f"{kind}.done"]
    told = f"the pieces are {pieces!r}, the end is {ends}, and plainly {call['arguments']!r}"
    expect(ends == [pieces] == [call["arguments"]], told)


@check("responses.goes_on_by_id", needs=[RESPONSES])
def responses_goes_on_by_id(server: Asker) -> None:
    """previous_response_id says what its items would say, and store false keeps nothing."""
    first = responded(server)
    by_id = responded(server, input="And then?", previous_response_id=first["id"])
    items = [{"role": "user", "content": ASKED["input"]}, *first["output"], {"role": "user", "content": "And then?"}]
    by_items = responded(server, input=items, store=False)
    expect_effect(said(by_id) == said(by_items), f"by id it says {said(by_id)!r}, by items {said(by_items)!r}")
    lost = server.post(RESPONSES, ASKED | {"previous_response_id": by_items["id"]})
    expect(lost.status in (400, 404), f"a response that was not stored is continued: {lost}")


@check("responses.instructions_are_of_their_response", needs=[RESPONSES, f"{RESPONSES} instructions"])
def responses_instructions_are_of_their_response(server: Asker) -> None:
    """instructions are a part of their own prompt, and not of the response that goes on from it without them."""
    first = responded(server, instructions="Be brief. " * 8)
    plain = responded(server)
    counts = [each["usage"]["input_tokens"] for each in (plain, first)]
    expect_effect(counts[0] < counts[1], f"without instructions a prompt has {counts[0]} tokens, with them {counts[1]}")
    by_id = responded(server, input="And then?", previous_response_id=first["id"])
    items = [{"role": "user", "content": ASKED["input"]}, *first["output"], {"role": "user", "content": "And then?"}]
    by_items = responded(server, input=items, store=False)
    counts = [each["usage"]["input_tokens"] for each in (by_id, by_items)]
    told = f"after a response with instructions the next prompt has {counts[0]} tokens, its items alone {counts[1]}"
    expect(counts[0] == counts[1], told)


@check("responses.every_part_is_read", needs=[RESPONSES])
def responses_every_part_is_read(server: Asker) -> None:
    """Of two text parts, and of two messages, each is a part of the prompt."""
    part = {"type": "input_text", "text": ASKED["input"]}
    one, other = {"role": "user", "content": [part]}, {"role": "assistant", "content": "Once upon a time."}
    for short, long in (
        ([one], [{"role": "user", "content": [part, part]}]),
        ([one], [one, other, one]),
        ([{"role": "system", "content": "Be brief."}, one], [{"role": "system", "content": "Be brief. " * 4}, one]),
    ):
        counts = [responded(server, input=items, store=False)["usage"]["input_tokens"] for items in (short, long)]
        expect(counts[0] < counts[1], f"{short} has {counts[0]} tokens, and {long} {counts[1]}")


@check("responses.are_kept_and_deleted", needs=[RESPONSES, STORED, INPUT_ITEMS, CANCEL])
def responses_are_kept_and_deleted(server: Asker) -> None:
    """A stored response is given back with its input, is left as it is by cancel, and is gone once it is deleted."""
    response = responded(server)
    path = f"{RESPONSES}/{response['id']}"
    questions = [("GET", path), ("POST", f"{path}/cancel"), ("GET", f"{path}/input_items")]
    *kept, items = [server.target.ask(*question) for question in questions]
    for answer in kept:
        same = answer.status == 200 and all(answer.json[name] == response[name] for name in ("id", "status", "output"))
        expect(same, f"{response} is kept as {answer}")
    expect(items.status == 200 and ASKED["input"] in json.dumps(items.json["data"]), f"its input is {items}")
    deleted = server.target.ask("DELETE", path)
    expect(deleted.status == 200 and deleted.json["deleted"] is True, f"it is deleted with {deleted}")
    statuses = [server.target.ask(*question).status for question in questions]
    expect(statuses == [404] * 3, f"once it is deleted it is answered with {statuses}")


@check("responses.refuses_other_tools", needs=[RESPONSES])
def responses_refuses_other_tools(server: Asker) -> None:
    """A tool that is no function, and an item of an unknown type, are refused by name."""
    for body, name in (({"tools": [{"type": "web_search"}]}, "tools"), ({"input": [{"type": "video_call"}]}, "input")):
        answer = server.post(RESPONSES, ASKED | body)
        param = answer.json["error"]["param"] if answer.status in (400, 422) else None
        expect((param or "").startswith(name), f"{body} is answered {answer}")


@check("responses.wrong_types_are_refused", level=Level.FULL, detects=[f"{RESPONSES} {name}" for name in WRONG])
def responses_wrong_types_are_refused(server: Asker) -> None:
    """A value of a wrong type is refused in each field and each member of one."""
    for name, body in WRONG.items():
        answer = server.post(RESPONSES, ASKED | body)
        expect_effect(answer.status in server.invalid(RESPONSES), f"{name} of a wrong type is answered {answer}")
