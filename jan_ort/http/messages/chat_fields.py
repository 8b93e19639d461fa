"""From the body of a message to the chat that it asks for (hop 3)."""

from __future__ import annotations

from typing import Any

from jan_ort.http.api_error import bad_request, unsupported
from jan_ort.http.messages.turns import Turns
from jan_ort.http.reading.as_chat import ChatFields
from jan_ort.http.reading.own_names import OwnNames
from jan_ort_openapi.models import (
    CountMessageTokensRequest,
    CreateMessageRequest,
    MessageOutputConfig,
    MessageThinking,
    MessageTool,
    MessageToolChoice,
)

_SAME = ("max_tokens", "stream", "temperature", "top_k", "top_p", "min_p", "repeat_penalty", "seed")
"""Fields that a chat has under the same name, with the same meaning."""

_NAMES = {
    "stop": "stop_sequences",
    "reasoning_effort": "output_config.effort",
    "response_format.json_schema.schema": "output_config.format.schema",
    "continue_final_message": "messages",
    r"messages\.(\d+)\.content\.(\d+)\.image_url": r"messages.\1.content.\2.source",
}
_MEMBERS = {"tool_call_id": "tool_use_id"}


def chat_fields(body: CreateMessageRequest | CountMessageTokensRequest) -> ChatFields:
    """Return the chat's body. Raises: ApiError 400 that names what is not served."""
    turns = Turns()
    turns.add_system(body.system)
    for at, message in enumerate(body.messages):
        turns.add(message, f"messages.{at}")
    fields: dict[str, Any] = {"model": body.model, "messages": turns.messages}
    if turns.is_begun:
        fields["continue_final_message"] = True
    fields |= _tools(body.tools or [], body.tool_choice) | _output(body.output_config)
    fields |= _thinking(body.thinking, body.max_tokens if isinstance(body, CreateMessageRequest) else None)
    if isinstance(body, CreateMessageRequest):
        fields |= {name: getattr(body, name) for name in _SAME if name in body.model_fields_set}
        fields |= {} if body.stop_sequences is None else {"stop": body.stop_sequences}
        fields |= {} if body.metadata is None else {"user": body.metadata.user_id}
    return ChatFields(
        fields, OwnNames(turns.names | _NAMES | _names_of_tools(body.tools or []), turns.places, _MEMBERS)
    )


def _tools(tools: list[MessageTool], choice: MessageToolChoice | None) -> dict[str, Any]:
    fields: dict[str, Any] = {"tools": [_tool(each, f"tools.{at}") for at, each in enumerate(tools)]} if tools else {}
    if choice is None:
        return fields
    if choice.type == "tool" and choice.name is None:
        raise bad_request("tool_choice.name", "tool_choice.name is needed with the type tool; name one of tools")
    named = {"type": "function", "function": {"name": choice.name}}
    fields["tool_choice"] = {"any": "required", "tool": named}.get(choice.type, choice.type)
    return fields | {"parallel_tool_calls": not choice.disable_parallel_tool_use}


def _tool(tool: MessageTool, place: str) -> dict[str, Any]:
    if tool.type not in (None, "custom"):
        message = f"{place}.type: this server runs no tools, and has none of the type {tool.type!r}; use custom"
        raise unsupported(f"{place}.type", message)
    if tool.input_schema is None:
        message = f"{place}.input_schema is missing; give the JSON schema of the arguments"
        raise bad_request(f"{place}.input_schema", message)
    function = {"name": tool.name, "description": tool.description, "parameters": tool.input_schema}
    return {"type": "function", "function": function | {"strict": tool.strict}}


def _names_of_tools(tools: list[MessageTool]) -> dict[str, str]:
    return {
        f"tools.{at}.function{mine}": f"tools.{at}{theirs}"
        for at in range(len(tools))
        for mine, theirs in (("", ""), (".parameters", ".input_schema"))
    }


def _thinking(thinking: MessageThinking | None, max_tokens: int | None) -> dict[str, Any]:
    if thinking is None or thinking.type == "adaptive":
        return {}
    budget = thinking.budget_tokens
    if budget is not None and max_tokens is not None and budget >= max_tokens:
        message = f"thinking.budget_tokens is {budget}, and max_tokens {max_tokens}: thoughts count, so give less"
        raise bad_request("thinking.budget_tokens", message)
    fields: dict[str, Any] = {"thinking": {"type": thinking.type}}
    if budget is not None and thinking.type == "enabled":
        fields["chat_template_kwargs"] = {"thinking_budget": budget}
    return fields


def _output(config: MessageOutputConfig | None) -> dict[str, Any]:
    if config is None:
        return {}
    fields: dict[str, Any] = {}
    if config.effort is not None:
        fields["reasoning_effort"] = "xhigh" if config.effort == "max" else config.effort
    if config.format is not None:
        schema = {"name": "output", "schema": config.format.schema_}
        fields["response_format"] = {"type": "json_schema", "json_schema": schema}
    return fields
