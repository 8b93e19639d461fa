"""From a conversation and its tools to the prompt that the model reads (hop 3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jan_ort.chat.formats.call_history import has_text_arguments, with_object_arguments
from jan_ort.chat.messages import MessageError, template_messages, with_instruction, with_thoughts
from jan_ort.chat.picture_parts import image_mark, with_images
from jan_ort.chat.template import ChatTemplate, ChatTemplateError
from jan_ort.chat.tools import ToolError, ToolPlan, parse_tools
from jan_ort.chat.turns import Turns, rendered_as_taken
from jan_ort.http.api_error import bad_request
from jan_ort.http.reading.client_texts import ClientTexts
from jan_ort.http.reading.images import image_parts, placed_images
from jan_ort.http.reading.prompts import fitting, starting_token
from jan_ort.http.reading.template_options import TemplateOptions, template_options
from jan_ort.models.control_tokens import MarkedText
from jan_ort.serving.generative import GenerativeModel
from jan_ort.serving.served_model import LONG_WORK
from jan_ort_backends import EmbeddedRun
from jan_ort_openapi.models import CreateChatCompletionRequest, ResponseFormatJsonSchema

_MANY_MESSAGES = 1000
"""Messages that take a template some ten milliseconds."""


class EncodedConversation(NamedTuple):
    """The prompt of a conversation: its token ids, int64 ``(n,)``, its text, and what the request says about tools.

    In the text, names of control tokens that are a client's words have a stand-in. ``is_continued`` says that it ends
    inside of the assistant's last message, ``is_in_thought`` that a thought is open there.
    ``embedded`` are its images' runs, as ``engine/embedded.py`` has them.
    """

    token_ids: NDArray[np.int64]
    text: str
    tools: ToolPlan | None
    is_continued: bool = False
    is_in_thought: bool = False
    embedded: Mapping[int, EmbeddedRun] = MappingProxyType({})


async def encode_conversation(model: GenerativeModel, body: CreateChatCompletionRequest) -> EncodedConversation:
    """Return the conversation's prompt; no message at all is generated from BOS.

    Raises: ApiError 400 for a model without a template and for what cannot be given to it; ChatTemplateError.
    """
    try:
        # In a thread: a template is a program, and may take most of a second; so may thousands of messages.
        prompt, tools, is_continued, is_in_thought = await model.rendering.run(
            lambda: _prompt(model, body), is_long=_is_long(body)
        )
    except (MessageError, ToolError) as error:
        raise bad_request(error.param, str(error)) from error
    token_ids = await fitting(model.encode_marked(prompt, fits=True), "messages")
    token_ids, embedded = await placed_images(model, token_ids, image_parts(body))
    if not len(token_ids):
        token_ids = starting_token(model)
    return EncodedConversation(token_ids, prompt.text, tools, is_continued, is_in_thought, embedded)


def _prompt(
    model: GenerativeModel, body: CreateChatCompletionRequest
) -> tuple[MarkedText, ToolPlan | None, bool, bool]:
    tools = parse_tools(body)
    if not body.messages and tools is None:
        return MarkedText(""), None, False, False
    if model.template is None:
        raise bad_request(
            "messages",
            f"model {model.name!r} has no chat template; put a chat_template.jinja into its folder, "
            "or use /v1/completions",
            code="no_chat_template",
        )
    options = template_options(model, body)
    mark = _image_mark(model, body)
    messages = _messages(body, mark)
    described = [] if tools is None else [(tool.description, tool.parameters) for tool in tools.tools]
    client = ClientTexts(model, [messages, described])
    field = model.template_view.thought_field
    begun, is_in_thought = options.begun(client.messages(messages), model.thoughts, takes_thoughts=field is not None)
    messages = with_thoughts(begun, field)
    shown = client.tools(tools)
    text = _rendered(model, model.template, messages, shown, options, mark, is_system_ours=_is_ours(body))
    return client.prompt(options.ended(text)), tools, options.is_continued, is_in_thought


def _image_mark(model: GenerativeModel, body: CreateChatCompletionRequest) -> str | None:
    """Return what stands for an image until the template is rendered, None for a model that reads none."""
    if model.images is None:
        return None
    try:
        return image_mark(body.model_dump_json())
    except ValueError as error:
        raise bad_request("messages", f"messages: {error}") from error


def _messages(body: CreateChatCompletionRequest, mark: str | None) -> list[dict[str, Any]]:
    plain = template_messages(body.messages, mark)
    described = body.response_format.json_schema if body.response_format is not None else None
    if isinstance(described, ResponseFormatJsonSchema) and isinstance(described.description, str):
        return with_instruction(plain, described.description)  # what the answer is for, as OpenAI's API says
    return plain


def _is_long(body: CreateChatCompletionRequest) -> bool:
    """Whether rendering takes so long that short conversations must not wait for it."""
    if len(body.messages) >= _MANY_MESSAGES:
        return True
    contents = [getattr(message, "content", None) for message in body.messages]
    texts = [content for content in contents if isinstance(content, str)]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return sum(map(len, texts)) + sum(len(getattr(part, "text", "")) for part in parts) >= LONG_WORK


def _rendered(
    model: GenerativeModel,
    template: ChatTemplate,
    messages: list[dict[str, Any]],
    tools: ToolPlan | None,
    options: TemplateOptions,
    mark: str | None,
    *,
    is_system_ours: bool,
) -> str:
    prompted = options.add_generation_prompt
    has_calls = any("tool_calls" in message or message["role"] == "tool" for message in messages)
    is_plain = tools is None and not has_calls

    def render(turns: Turns) -> str:
        described = None if is_plain else model.tool_format.template_tools(tools)
        if mark is not None:
            turns = with_images(turns, mark, model.picture_form, model.image_text)
        text = template.render(turns, tools=described, add_generation_prompt=prompted, **options.variables)
        return (
            text if model.images is None else text.replace(model.image_text, model.image_text.join(model.images.around))
        )

    def adapted(given: list[dict[str, Any]]) -> str:
        turns = given if is_plain else model.tool_format.adapt(given, tools, model.template_view)
        return rendered_as_taken(render, turns, is_system_ours=is_system_ours)

    try:
        return adapted(messages)
    except ChatTemplateError:
        if is_plain or not has_text_arguments(messages):
            raise
        return adapted(with_object_arguments(messages))


def _is_ours(body: CreateChatCompletionRequest) -> bool:
    """Whether a system message of the conversation is the server's own."""
    return not any(message.role in ("system", "developer") for message in body.messages)
