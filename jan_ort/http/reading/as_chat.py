"""A body of another protocol read as the chat that it stands for (hop 3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from jan_ort.http.parsing import beside_bodies
from jan_ort.http.reading.chat import ChatPlan, read_chat
from jan_ort.http.reading.own_names import OwnNames
from jan_ort.serving.generative import GenerativeModel
from jan_ort.settings.schema import Settings
from jan_ort_openapi import validated
from jan_ort_openapi.models import CreateChatCompletionRequest


class ChatFields(NamedTuple):
    """A chat's body as plain JSON, and what its fields are called in the body that it was made of."""

    fields: dict[str, Any]
    names: OwnNames


async def as_chat(translate: Callable[[], ChatFields]) -> tuple[CreateChatCompletionRequest, OwnNames]:
    """Return the chat that ``translate`` makes of a request's body; of a large one beside the event loop.

    Raises: ApiError 400.
    """
    return await beside_bodies(partial(_translated, translate))


async def read_as_chat(translate: Callable[[], ChatFields], model: GenerativeModel, settings: Settings) -> ChatPlan:
    """Return the plan of the chat that ``translate`` makes of a request's body. Raises: ApiError 400."""
    chat, names = await as_chat(translate)
    with names.telling():
        return await read_chat(chat, model, settings)


def _translated(translate: Callable[[], ChatFields]) -> tuple[CreateChatCompletionRequest, OwnNames]:
    fields, names = translate()
    with names.telling():
        return validated(CreateChatCompletionRequest, fields), names
