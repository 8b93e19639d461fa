"""Where responses are asked for: those that are kept, and those that are being answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from jan_ort.http.api_error import ApiError, bad_request
from jan_ort.http.asker import current_owner
from jan_ort.http.responses.items import Item, response_of_item
from jan_ort.http.responses.shape import Keep, ResponseShape
from jan_ort.http.responses.store import ResponseStore, StoreUnavailable
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)

_FORGET_EVERY_S = 600

RESPONSES = "jan_ort_responses"
"""Where the app keeps its :class:`ResponseDesk` in ``app.extensions``."""


class ResponseDesk:
    """Finds responses for the key that asks; another key's are as if there were none."""

    def __init__(self, settings: Settings) -> None:
        self._store = ResponseStore(settings)
        self._ttl_s = settings.stored_response_ttl_s
        self._running: dict[str, tuple[str, ResponseShape]] = {}

    async def forget_expired(self) -> None:
        """Forget responses that were not used for too long, also while nobody asks; runs until it is cancelled."""
        while self._ttl_s:
            try:
                await self._store.forget_expired()
            except StoreUnavailable as error:
                logger.warning("responses that have expired are not deleted yet: %s", error)
            await asyncio.sleep(min(max(self._ttl_s, 1), _FORGET_EVERY_S))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def keeper(self) -> Keep:
        """Return what keeps a response for the key that has asked for it."""
        owner = current_owner()

        async def keep(identity: str, response: dict[str, Any], items: list[Item]) -> bool:
            return await self._store.put(identity, owner, {"response": response, "items": items})

        return keep

    def begin(self, identity: str, shape: ResponseShape) -> None:
        """Have a response found that is being answered from now on."""
        self._running[identity] = current_owner(), shape

    async def end(self, identity: str) -> None:
        """Have it found no longer, unless it is kept."""
        self._running.pop(identity, None)

    async def items_before(self, identity: str | None) -> Sequence[Item]:
        """Return the conversation of the response that is continued, none for none. Raises: ApiError 400."""
        if identity is None:
            return ()
        record = await self._store.get(identity, current_owner())
        if record is None:
            raise bad_request("previous_response_id", self._why_none(identity), code="previous_response_not_found")
        items: list[Item] = record["items"]
        return items

    async def resolved(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items, with those that references name in their place. Raises: ApiError 400."""
        if not any(item["type"] == "item_reference" for item in items):
            return items
        found: dict[str, Item] = {}
        for at, item in enumerate(items):
            if item["type"] == "item_reference" and item["id"] not in found:
                record = await self._store.get(response_of_item(item["id"]), current_owner())
                found |= {each["id"]: each for each in ([] if record is None else record["items"])}
                if item["id"] not in found:
                    message = f"there is no stored item {item['id'][:80]!r}; give the item itself"
                    raise bad_request(f"input.{at}.id", message, code="item_not_found")
        return [found[item["id"]] if item["type"] == "item_reference" else item for item in items]

    async def response(self, identity: str) -> dict[str, Any]:
        """Return a response. Raises: ApiError 404."""
        if (shape := self._shape(identity)) is not None:
            return shape.resource()
        response: dict[str, Any] = (await self._record(identity))["response"]
        return response

    async def input_items(self, identity: str) -> list[Item]:
        """Return the items from which a response was, or is, generated. Raises: ApiError 404."""
        if (shape := self._shape(identity)) is not None:
            return shape.input_items()
        record = await self._record(identity)
        items: list[Item] = record["items"]
        return items[: len(items) - len(record["response"]["output"])]

    async def cancel(self, identity: str) -> dict[str, Any]:
        """End a response that is being answered, and return what there is of it. Raises: ApiError 404."""
        if (shape := self._shape(identity)) is not None:
            shape.cancel()
        return await self.response(identity)

    async def delete(self, identity: str) -> None:
        """Forget a response; one that is being answered goes on, and is not kept. Raises: ApiError 404."""
        if (shape := self._shape(identity)) is not None:
            shape.forget()
            del self._running[identity]
        if not await self._store.delete(identity, current_owner()) and shape is None:
            raise _not_found(identity)

    def _shape(self, identity: str) -> ResponseShape | None:
        owner, shape = self._running.get(identity, ("", None))
        return shape if owner == current_owner() else None

    def _why_none(self, identity: str) -> str:
        """Return why a response cannot be continued."""
        if self._shape(identity) is not None:
            return f"the response {identity!r} is still being answered; continue it once it has ended"
        return _no_response(identity)

    async def _record(self, identity: str) -> dict[str, Any]:
        record = await self._store.get(identity, current_owner())
        if record is None:
            raise _not_found(identity)
        return record


def _not_found(identity: str) -> ApiError:
    return ApiError(404, _no_response(identity), param="response_id", code="response_not_found")


def _no_response(identity: str) -> str:
    return f"there is no stored response {identity[:80]!r}; it may have expired, or was not stored"
