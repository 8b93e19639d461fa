"""Messages of a request to what a chat template reads: plain dictionaries with text content (hop 3).

The older spelling of tools becomes the newer one, which is the one that templates know: ``function_call`` is one entry
of ``tool_calls``, the role ``function`` is ``tool``. A call without an id gets one, and results without one answer the
calls in their order. Arguments are objects here, as templates want them, not JSON text;
what is no object, for instance because the answer was cut off in it, stays the text that it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from jan_ort_openapi import MalformedBody, TooManyValues, check_size
from jan_ort_openapi.json_text import parse_int
from jan_ort_openapi.models import (
    ChatCompletionRequestAssistantMessage,
    ChatCompletionRequestAssistantMessageFunctionCall,
    ChatCompletionRequestFunctionMessage,
    ChatCompletionRequestMessageContentPartImage,
    ChatCompletionRequestMessageContentPartReasoning,
    ChatCompletionRequestMessageContentPartRefusal,
    ChatCompletionRequestMessageContentPartText,
    ChatCompletionRequestMessageContentPartThinking,
    ChatCompletionRequestToolCallFunction,
    ChatCompletionRequestToolMessage,
    Messages,
)

THOUGHT = "reasoning_content"
"""A message's key for what the assistant thought."""

_ThoughtPart = ChatCompletionRequestMessageContentPartThinking | ChatCompletionRequestMessageContentPartReasoning


class MessageError(Exception):
    """Raised when a message cannot be given to this model; ``param`` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(message)
        self.param = param


def template_messages(messages: Sequence[Messages], image_mark: str | None = None) -> list[dict[str, Any]]:
    """Return role and content of each message, the assistant's calls, and whose result a tool's message is.

    A result's ``name`` is that of the called function, if the call is in the conversation. ``image_mark`` stands in the
    content for an image; None is for a model that reads none. Raises: MessageError.
    """
    reader = _Reader(image_mark)
    return [reader.read(message, f"messages.{at}") for at, message in enumerate(messages)]


def with_instruction(messages: Sequence[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Return the messages with ``text`` at the end of their system message, which they get if they have none."""
    if messages and messages[0]["role"] == "system":
        content = f"{messages[0]['content']}\n\n{text}" if messages[0]["content"] else text
        return [messages[0] | {"content": content}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def with_thoughts(messages: Sequence[dict[str, Any]], field: str | None) -> list[dict[str, Any]]:
    """Return the messages with earlier thoughts under the name that the template reads, None for none."""
    moved = []
    for message in messages:
        rest = {key: value for key, value in message.items() if key != THOUGHT}
        moved.append(rest | {field: message[THOUGHT]} if field and THOUGHT in message else rest)
    return moved


class _Reader:
    """Reads one conversation in order; remembers its calls, so that their results can be told apart."""

    def __init__(self, image_mark: str | None) -> None:
        self._image_mark = image_mark
        self._names: dict[str, str] = {}
        self._unanswered: list[str] = []
        self._num_calls = 0
        self._num_legacy = 0

    def read(self, message: Any, param: str) -> dict[str, Any]:
        # The newer name of the system role is one that no template knows.
        role = "system" if message.role == "developer" else message.role
        result: dict[str, Any] = {"role": role, "content": self._text(getattr(message, "content", None), param)}
        match message:
            case ChatCompletionRequestAssistantMessage():
                calls = self._calls(message, param)
                result |= {"tool_calls": calls} if calls else {}
                result |= {THOUGHT: thought} if (thought := _thought(message)) else {}
            case ChatCompletionRequestToolMessage():
                call_id = self._answered(message.tool_call_id)
                result |= {"name": self._names[call_id]} if call_id in self._names else {}
                result["tool_call_id"] = call_id
            case ChatCompletionRequestFunctionMessage():
                result |= {"role": "tool", "name": message.name, "tool_call_id": _legacy_id(self._num_legacy)}
        if name := getattr(message, "name", None):
            result.setdefault("name", name)
        return result

    def _text(self, content: Any, param: str) -> str:
        """Join the text parts of a message; no content is the empty text."""
        if not isinstance(content, list):
            return content if isinstance(content, str) else ""
        texts = []
        for at, part in enumerate(content):
            if isinstance(part, ChatCompletionRequestMessageContentPartImage):
                if self._image_mark is None:
                    told = "this model reads text only; leave the image out"
                    raise MessageError(f"{param}.content.{at}.image_url", told)
                texts.append(self._image_mark)
                continue
            if isinstance(part, ChatCompletionRequestMessageContentPartRefusal):
                texts.append(part.refusal)  # what the assistant said
                continue
            if isinstance(part, _ThoughtPart):
                continue  # as the message's own fields for thoughts, it is no content
            assert isinstance(part, ChatCompletionRequestMessageContentPartText), "the schema knows no other parts"
            texts.append(part.text)
        return "".join(texts)

    def _calls(self, message: ChatCompletionRequestAssistantMessage, param: str) -> list[dict[str, Any]]:
        given = message.tool_calls if isinstance(message.tool_calls, list) else []
        calls = [
            self._call(call.id or self._new_id(), call.function, f"{param}.tool_calls.{at}.function")
            for at, call in enumerate(given)
        ]
        self._unanswered += [call["id"] for call in calls]
        if isinstance(message.function_call, ChatCompletionRequestAssistantMessageFunctionCall):
            if calls:
                text = "both tool_calls and function_call are given; leave out function_call, the older spelling"
                raise MessageError(f"{param}.function_call", text)
            self._num_legacy += 1
            calls.append(self._call(_legacy_id(self._num_legacy), message.function_call, f"{param}.function_call"))
        return calls

    def _call(
        self,
        call_id: str,
        function: ChatCompletionRequestToolCallFunction | ChatCompletionRequestAssistantMessageFunctionCall,
        param: str,
    ) -> dict[str, Any]:
        self._names[call_id] = function.name
        given = function.arguments or {}  # of PHP's, an empty object is an empty list
        arguments = _arguments(given, f"{param}.arguments") if isinstance(given, str) else given
        return {"id": call_id, "type": "function", "function": {"name": function.name, "arguments": arguments}}

    def _new_id(self) -> str:
        """Return the id of a call that has none."""
        self._num_calls += 1
        return f"call_{self._num_calls}"

    def _answered(self, call_id: str | None) -> str:
        """Return the id of the call whose result this is: without one, the first that has none yet."""
        found = call_id or next(iter(self._unanswered), "call_0")
        self._unanswered = [each for each in self._unanswered if each != found]
        return found


def _thought(message: ChatCompletionRequestAssistantMessage) -> str:
    """Return what an earlier answer thought, by either name that this server has for it, or in parts of the content."""
    more = message.model_extra or {}
    named = next((text for name in (THOUGHT, "reasoning") if isinstance(text := more.get(name), str)), "")
    if named or not isinstance(message.content, list):
        return named
    return "\n".join(_thought_of(part) for part in message.content if isinstance(part, _ThoughtPart))


def _thought_of(part: _ThoughtPart) -> str:
    if isinstance(part, ChatCompletionRequestMessageContentPartReasoning):
        return part.text
    return part.thinking if isinstance(part.thinking, str) else "".join(each.text for each in part.thinking)


def _legacy_id(number: int) -> str:
    """Return the id of a call in the older spelling, which has none: a result belongs to the call before it."""
    return f"call_function_{number}"


def _arguments(text: str, param: str) -> dict[str, Any] | str:
    """Return a call's arguments, as text where they are no object; some clients send no text where there are none.

    Raises: MessageError for more values than are read.
    """
    if not text.strip():
        return {}
    try:
        check_size(text.encode(), ())
        arguments = json.loads(text, parse_int=parse_int, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(arguments, ensure_ascii=False).encode()  # half a surrogate pair is no text of a prompt
    except TooManyValues as error:
        raise MessageError(param, f"{param}: {error}") from error
    except (ValueError, RecursionError, MalformedBody):
        return text
    if arguments == []:
        return {}  # PHP has one empty array for lists and objects
    return arguments if isinstance(arguments, dict) else text


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
