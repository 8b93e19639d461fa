"""The app that ``hypercorn jan_ort:app`` names: nothing is imported or built until it is used (hop 1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quart import Quart

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class LazyApp:
    """An ASGI app, built by ``build`` when a server starts it; it has the built app's public attributes."""

    def __init__(self, build: Callable[[], Quart]) -> None:
        self._build = build

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer as the app does. One that cannot be built refuses to start."""
        try:
            app: Any = self._app
        except Exception as error:
            if scope["type"] == "lifespan":  # a server takes any other end of this for an app without a lifespan
                await receive()
                await send({"type": "lifespan.startup.failed", "message": f"the app cannot be built: {error!r}"})
            raise
        await app(scope, receive, send)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # servers and inspect look for marks, which is no use yet
            raise AttributeError(name)
        return getattr(self._app, name)

    @cached_property
    def _app(self) -> Quart:
        return self._build()
