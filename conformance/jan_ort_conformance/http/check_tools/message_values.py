"""Fields and members of Anthropic's messages, with wrong values of each, and values that change the prompt."""

from __future__ import annotations

from typing import Any

Fields = dict[str, Any]

SAID: Fields = {"role": "user", "content": "Tell me a story."}
SCHEMA: Fields = {"type": "object", "properties": {"at": {"const": 1}}, "required": ["at"]}
LONG = "Look around in every direction, and then say in one word what there is to be seen."
BLOCKS: list[Fields] = [{"type": "text", "text": "Be brief."}, {"type": "text", "text": LONG}]
SOURCE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def turns(*turns: Fields) -> Fields:
    """Return a conversation that begins with a question."""
    return {"messages": [SAID, *turns]}


def said(**members: Any) -> Fields:
    """Return a conversation of one turn."""
    return {"messages": [SAID | members]}


def block(**members: Any) -> Fields:
    """Return a turn of the user of one block."""
    return said(content=[members])


def text(**members: Any) -> Fields:
    """Return a block of text in a turn."""
    return block(**{"type": "text", "text": "Hello"} | members)


def image(**members: Any) -> Fields:
    """Return a picture in a turn."""
    return block(type="image", source=SOURCE | members)


def tool(name: object = "look", **members: Any) -> Fields:
    """Return a tool to offer."""
    return {"name": name, "description": "Look.", "input_schema": SCHEMA} | members


def offered(**members: Any) -> Fields:
    """Return a request that offers a tool."""
    return {"tools": [tool(**members)], "messages": [SAID]}


def choice(**members: Any) -> Fields:
    """Return a request that offers a tool and says how to choose."""
    return {"tools": [tool()], "tool_choice": {"type": "auto"} | members, "messages": [SAID]}


def called(**members: Any) -> Fields:
    """Return a conversation with a call and its result."""
    use = {"type": "tool_use", "id": "abcdef123", "name": "look", "input": {"at": 1}} | members
    result = {"type": "tool_result", "tool_use_id": use["id"], "content": "1"}
    return turns({"role": "assistant", "content": [use]}, {"role": "user", "content": [result]})


def result(**members: Any) -> Fields:
    """Return a conversation with a result."""
    given = {"type": "tool_result", "tool_use_id": "abcdef123", "content": "1"} | members
    use = {"type": "tool_use", "id": "abcdef123", "name": "look", "input": {"at": 1}}
    return turns({"role": "assistant", "content": [use]}, {"role": "user", "content": [given]})


def result_image(**members: Any) -> Fields:
    """Return a result that is a picture."""
    return result(content=[{"type": "image", "source": SOURCE | members}])


def thought(**members: Any) -> Fields:
    """Return a conversation with an earlier thought."""
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "s"} | members, {"type": "text", "text": "Hi."}]
    return turns({"role": "assistant", "content": blocks}, SAID)


def system(**members: Any) -> Fields:
    """Return a conversation under a system prompt of one block."""
    return {"system": [{"type": "text", "text": "Be brief."} | members], "messages": [SAID]}


def thinking(**members: Any) -> Fields:
    """Return a conversation whose answer may be thought about."""
    return {"thinking": {"type": "enabled"} | members, "messages": [SAID]}


def form(**members: Any) -> Fields:
    """Return a conversation whose answer has a form."""
    return {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA} | members}, "messages": [SAID]}


WRONG: list[tuple[str, Fields]] = [
    ("messages", {"messages": "Hello"}),
    ("messages.role", said(role="nobody")),
    ("messages.content", said(content=5)),
    ("messages.content.type", block(type="sound", text="x")),
    ("messages.content.text", text(text=5)),
    ("messages.content.cache_control", text(cache_control=5)),
    ("messages.content.source", block(type="image", source=5)),
    ("messages.content.source.type", image(type="tape")),
    ("messages.content.source.media_type", image(media_type=5)),
    ("messages.content.source.data", image(data=5)),
    ("messages.content.source.url", image(type="url", url=5)),
    ("messages.content.id", called(id=5)),
    ("messages.content.name", called(name=5)),
    ("messages.content.input", called(input=5)),
    ("messages.content.tool_use_id", result(tool_use_id=5)),
    ("messages.content.content", result(content=5)),
    ("messages.content.content.type", result(content=[{"type": "sound", "text": "x"}])),
    ("messages.content.content.text", result(content=[{"type": "text", "text": 5}])),
    ("messages.content.content.cache_control", result(content=[{"type": "text", "text": "a", "cache_control": 5}])),
    ("messages.content.content.source", result(content=[{"type": "image", "source": 5}])),
    ("messages.content.content.source.type", result_image(type="tape")),
    ("messages.content.content.source.media_type", result_image(media_type=5)),
    ("messages.content.content.source.data", result_image(data=5)),
    ("messages.content.content.source.url", result_image(type="url", url=5)),
    ("messages.content.is_error", result(is_error="yes")),
    ("messages.content.thinking", thought(thinking=5)),
    ("messages.content.signature", thought(signature=5)),
    ("system", {"system": 5, "messages": [SAID]}),
    ("system.type", system(type="sound")),
    ("system.text", system(text=5)),
    ("system.cache_control", system(cache_control=5)),
    ("tools", {"tools": 5, "messages": [SAID]}),
    ("tools.type", offered(type="no_such_tool_20200101")),
    ("tools.name", offered(name=5)),
    ("tools.description", offered(description=5)),
    ("tools.input_schema", offered(input_schema=5)),
    ("tools.strict", offered(strict="yes")),
    ("tools.cache_control", offered(cache_control=5)),
    ("tool_choice", {"tools": [tool()], "tool_choice": "any", "messages": [SAID]}),
    ("tool_choice.type", choice(type="some")),
    ("tool_choice.name", choice(type="tool", name="no_such_tool")),
    ("tool_choice.disable_parallel_tool_use", choice(disable_parallel_tool_use="yes")),
    ("thinking", {"thinking": True, "messages": [SAID]}),
    ("thinking.type", thinking(type="some")),
    ("thinking.budget_tokens", thinking(budget_tokens="many")),
    ("thinking.display", thinking(display="loud")),
    ("output_config", {"output_config": 5, "messages": [SAID]}),
    ("output_config.effort", {"output_config": {"effort": "none at all"}, "messages": [SAID]}),
    ("output_config.format", {"output_config": {"format": "json"}, "messages": [SAID]}),
    ("output_config.format.type", form(type="xml")),
    ("output_config.format.schema", form(schema=5)),
    ("cache_control", {"cache_control": 5, "messages": [SAID]}),
]
"""Fields and members that are read of a request and of what is counted, each with a request in which it is wrong."""

WRONG_IN_REQUESTS: list[tuple[str, Fields]] = [
    *((name, {name: "x", "messages": [SAID]}) for name in ("temperature", "top_k", "top_p", "min_p", "seed", "stream")),
    ("repeat_penalty", {"repeat_penalty": "x", "messages": [SAID]}),
    ("max_tokens", {"max_tokens": 0, "messages": [SAID]}),
    ("stop_sequences", {"stop_sequences": [5], "messages": [SAID]}),
    ("metadata", {"metadata": 5, "messages": [SAID]}),
    ("metadata.user_id", {"metadata": {"user_id": 5}, "messages": [SAID]}),
    ("service_tier", {"service_tier": "first class", "messages": [SAID]}),
]
"""The same of a request alone."""

LENGTHS: list[tuple[str, Fields, Fields]] = [
    ("messages.content.text", text(), text(text=LONG)),
    ("messages.content", said(content="a"), said(content=LONG)),
    ("messages.content.content", result(), result(content=LONG)),
    ("messages.content.input", called(), called(input={"at": 1, "further_away": [12345, 67890]})),
    ("system", {"messages": [SAID]}, {"system": LONG, "messages": [SAID]}),
    ("system.text", system(), system(text=LONG)),
    ("tools", {"messages": [SAID]}, offered()),
    ("tools.description", offered(), offered(description=LONG)),
    ("messages.content.is_error", result(), result(is_error=True)),
    ("system", {"system": BLOCKS[:1], "messages": [SAID]}, {"system": BLOCKS, "messages": [SAID]}),
    ("messages.content", said(content=BLOCKS[:1]), said(content=BLOCKS)),
    ("messages.content.content", result(content=BLOCKS[:1]), result(content=BLOCKS)),
    ("messages", turns(), turns({"role": "assistant", "content": "Hi."}, said(content=LONG)["messages"][0])),
]
"""Fields and members whose second value makes the prompt longer."""
