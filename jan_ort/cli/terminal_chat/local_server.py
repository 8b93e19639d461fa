"""The app in this process: no port is opened, and it ends with the chat."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from jan_ort.cli.terminal_chat.exchange import Answer, ChatError
from jan_ort.http.app import create_app
from jan_ort.settings.schema import Settings

_POLL_S = 0.1
"""Between looks at Ctrl-C, which no blocking wait notices on Windows."""

_STOP_S = 5.0

Message = dict[str, Any]
T = TypeVar("T")


class LocalServer:
    """The app on an event loop of its own thread; it loads its models before it is used."""

    def __init__(self, settings: Settings) -> None:
        """Start the app and wait until its models are loaded. Raises: ChatError if they cannot be."""
        self._failures: list[Exception] = []
        self._api_key = settings.api_key
        self._app = create_app(settings, on_failure=self._failures.append)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="app", daemon=True)
        self._thread.start()
        try:
            self._run(self._app.startup())
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def request(self, method: str, path: str, body: bytes | None = None) -> Iterator[Answer]:
        """Send a request to the app; leaving the block is to it what a closed connection is."""
        sent: queue.Queue[Message | None] = queue.Queue()
        gone = asyncio.Event()
        running = asyncio.run_coroutine_threadsafe(self._handle(method, path, body, sent, gone), self._loop)
        running.add_done_callback(lambda _: sent.put(None))
        try:
            start = _next(sent, running)
            if start is None:
                raise ChatError("the app has not answered")
            yield Answer(start["status"], _lines(sent, running))
        finally:
            self._loop.call_soon_threadsafe(gone.set)
            with contextlib.suppress(TimeoutError):  # it ends with the loop, then
                running.exception(_STOP_S)

    def close(self) -> None:
        """Stop the app and free the models."""
        if self._loop.is_running():
            self._run(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_S)
        if not self._loop.is_running() and not self._loop.is_closed():
            self._loop.close()

    async def _end(self) -> None:
        await self._app.shutdown()
        left = asyncio.all_tasks() - {asyncio.current_task()}  # Quart's, which wait for a client to leave
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(
        self, method: str, path: str, body: bytes | None, sent: queue.Queue[Message | None], gone: asyncio.Event
    ) -> None:
        received = [{"type": "http.request", "body": body or b"", "more_body": False}]

        async def receive() -> Message:
            if received:
                return received.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.put(message)

        await self._app(self._scope(method, path, body), receive, send)  # type: ignore[arg-type]

    def _scope(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        headers = [(b"host", b"local"), (b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(body or b"")).encode()))
        if self._api_key is not None:
            headers.append((b"authorization", f"Bearer {self._api_key.get_secret_value()}".encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": headers,
            "client": None,
            "server": None,
            "extensions": {},
        }

    def _wait_until_ready(self) -> None:
        while not self._failures:
            with self.request("GET", "/health") as answer:
                if answer.status == 200:
                    return
            threading.Event().wait(_POLL_S / 5)
        raise ChatError(f"the model cannot be loaded: {self._failures[0]}")

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            with contextlib.suppress(TimeoutError):
                return future.result(_POLL_S)


def _next(sent: queue.Queue[Message | None], running: Future[None]) -> Message | None:
    """Return what the app sends next, None at its end. Raises: ChatError if it failed."""
    while True:
        try:
            message = sent.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if message is None and (error := running.exception()) is not None:
            raise ChatError(f"the app failed: {error!r}") from error
        return message


def _lines(sent: queue.Queue[Message | None], running: Future[None]) -> Iterator[bytes]:
    rest = b""
    while (message := _next(sent, running)) is not None:
        *lines, rest = (rest + message.get("body", b"")).split(b"\n")
        yield from (line + b"\n" for line in lines)
        if not message.get("more_body", False):
            break
    if rest:
        yield rest
