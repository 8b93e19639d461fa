"""From the body of a response's request, and the conversation that it continues, to its plan (hop 3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from jan_ort.http.api_error import ApiError
from jan_ort.http.reading.chat import ChatPlan, read_chat
from jan_ort.http.reading.other_names import refuse_what_is_not_honoured
from jan_ort.http.reading.own_names import OwnNames
from jan_ort.http.responses.fields import MEMBERS, NAMES, SEALED, chat_fields, check_fields, summarizes
from jan_ort.http.responses.items import Item, Messages, checked_item
from jan_ort.serving.generative import GenerativeModel
from jan_ort.settings.schema import Settings
from jan_ort_openapi import validated
from jan_ort_openapi.models import CreateChatCompletionRequest, CreateResponseRequest

Read = Callable[[CreateChatCompletionRequest], Awaitable[ChatPlan]]

_MANY_ITEMS = 100
"""Items that take the event loop some ten milliseconds to read."""


@dataclass(frozen=True, kw_only=True)
class ResponsePlan(ChatPlan):
    """A response to give. ``items`` are the conversation before it, of which the last ``num_own`` are the request's.

    ``is_summarized`` gives thoughts as summaries, ``is_sealed`` in one piece that comes back.
    """

    body: CreateResponseRequest
    items: tuple[Item, ...]
    num_own: int
    is_summarized: bool
    is_sealed: bool

    @property
    def is_stored(self) -> bool:
        """Whether the response is to be kept."""
        return self.body.store is not False


def check_request(body: CreateResponseRequest) -> None:
    """Refuse what is wrong whatever the model and the conversation are. Raises: ApiError 400."""
    refuse_what_is_not_honoured(body)
    check_fields(body)


def own_items(body: CreateResponseRequest) -> tuple[Item, ...]:
    """Return the request's own items, as they are kept. Raises: ApiError 400."""
    if isinstance(body.input, str):
        return (checked_item({"role": "user", "content": body.input}, "input"),)
    given = [item.model_dump(exclude_none=True) for item in body.input or ()]
    return tuple(checked_item(item, f"input.{at}") for at, item in enumerate(given))


async def read_response(
    body: CreateResponseRequest,
    model: GenerativeModel,
    settings: Settings,
    *,
    before: Sequence[Item],
    own: Sequence[Item],
) -> ResponsePlan:
    """Return what the body asks of the model after the items ``before``. Raises: ApiError 400 that names the field."""
    items = (*before, *own)

    def chat() -> tuple[CreateChatCompletionRequest, OwnNames]:
        messages = _messages(body, before, own)
        names = OwnNames(messages.names | NAMES, messages.places, MEMBERS)
        with names.telling():
            return validated(CreateChatCompletionRequest, chat_fields(body) | {"messages": messages.messages}), names

    asked, names = await model.rendering.run(chat) if len(items) >= _MANY_ITEMS else chat()
    with names.telling():
        plan = await _read(asked, model, settings, is_cut=body.truncation == "auto")
    return ResponsePlan(
        **vars(plan),
        body=body,
        items=items,
        num_own=len(own),
        is_summarized=summarizes(body.reasoning),
        is_sealed=SEALED in (body.include or ()),
    )


def _messages(body: CreateResponseRequest, before: Sequence[Item], own: Sequence[Item]) -> Messages:
    messages = Messages()
    if body.instructions:
        messages.say("system", body.instructions, "instructions")
    for item in before:
        messages.add(item, "previous_response_id")
    for at, item in enumerate(own):
        messages.add(item, "input" if isinstance(body.input, str) else f"input.{at}")
    messages.show()
    return messages


async def _read(
    chat: CreateChatCompletionRequest, model: GenerativeModel, settings: Settings, *, is_cut: bool
) -> ChatPlan:
    """Return the chat's plan; if ``is_cut``, without as many of its oldest turns as do not fit the context."""
    try:
        return await read_chat(chat, model, settings)
    except ApiError as error:
        if not is_cut or error.code != "context_length_exceeded":
            raise
        plan = await _read_cut(chat, lambda cut: read_chat(cut, model, settings))
        if plan is None:
            raise
        return plan


async def _read_cut(chat: CreateChatCompletionRequest, read: Read) -> ChatPlan | None:
    """Return the plan of the longest end of the conversation that fits, None if not even the last turn does."""
    messages, found = chat.messages, None
    head = next((at for at, each in enumerate(messages) if each.role not in ("system", "developer")), len(messages))
    starts = [at for at, each in enumerate(messages) if each.role == "user" and at > head]
    low, high = 0, len(starts)
    while low < high:
        middle = (low + high) // 2
        try:
            found = await read(chat.model_copy(update={"messages": [*messages[:head], *messages[starts[middle] :]]}))
            high = middle
        except ApiError as error:
            if error.code != "context_length_exceeded":
                raise
            low = middle + 1
    return found
