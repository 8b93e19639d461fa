"""A server that wraps a sound one and has one planted fault at a time; ``python -m`` runs it in its own process."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from jan_ort.http.app import create_app
from jan_ort_conformance.verdicts.results import Case, Results
from tests.conformance.kit.faults import Exchange, Fault
from tests.conformance.kit.planted import FAULTS
from tests.http.handlers.serving import EVERY_TASK, reference_settings

KEY = "k3y"
NUM_SLOTS = 4
SLOW_S = 0.03
WORKS_ON_S = 8.0
GENERATING = ("/v1/completions", "/v1/chat/completions")


class BrokenServer:
    """An ASGI app with the fault ``fault``; None is the sound server."""

    def __init__(self, app: Quart) -> None:
        self.app = app
        self.fault: Fault | None = None
        self.num_leaked = 0
        self.busy_until = 0.0
        self.num_requests = 0
        self.newest: object = None
        self.seen: set[Any] = set()

    def plant(self, fault: Fault | None) -> None:
        """Have this fault only."""
        self.fault, self.num_leaked, self.newest, self.busy_until = fault, 0, None, 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        fault = self.fault
        # schemathesis probes, at times, whether a path of any bytes is answered.
        self.num_requests += scope["type"] == "http" and not scope["path"].startswith("/schemathesis-probe")
        if scope["type"] != "http" or fault is None:
            await self.app(scope, receive, send)
        elif fault.before is None and fault.after is None:
            await getattr(self, fault.name)(scope, receive, send)
        else:
            await self._exchange(fault, scope, receive, send)

    async def _exchange(self, fault: Fault, scope: Any, receive: Any, send: Any) -> None:
        """Read the whole request, change it, answer it by the sound server, and change the answer."""
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        query = scope["query_string"].decode("latin-1")
        exchange = Exchange(scope["method"], scope["path"], headers, await _body(receive), query=query)
        if fault.before is not None:
            fault.before(exchange)
        exchange.headers["content-length"] = str(len(exchange.body))
        inner = scope | {"headers": [(n.encode(), v.encode("latin-1")) for n, v in exchange.headers.items()]}
        if exchange.path != scope["path"]:
            inner |= {"path": exchange.path, "raw_path": exchange.path.encode()}
        messages = [{"type": "http.request", "body": exchange.body, "more_body": False}]

        async def given() -> Any:
            return messages.pop() if messages else await receive()

        async def gathered(message: Any) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                exchange.answer_headers = {name.decode(): value.decode() for name, value in message["headers"]}
            else:
                exchange.answer += message.get("body", b"")

        await self.app(inner, given, gathered)
        if fault.after is not None:
            fault.after(exchange)
        exchange.answer_headers["content-length"] = str(len(exchange.answer))
        answered = [(name.encode(), value.encode()) for name, value in exchange.answer_headers.items()]
        await send({"type": "http.response.start", "status": exchange.status, "headers": answered})
        await send({"type": "http.response.body", "body": exchange.answer})

    async def hangs(self, scope: Any, receive: Any, send: Any) -> None:
        """Never answer a generation."""
        if scope["path"] in GENERATING:
            await _until_gone(receive)
        else:
            await self.app(scope, receive, send)

    async def is_slow(self, scope: Any, receive: Any, send: Any) -> None:
        """Take a while for each token, streamed or not."""
        content_type = b""

        async def sent(message: Any) -> None:
            nonlocal content_type
            content_type = dict(message.get("headers", ())).get(b"content-type", content_type)
            body = message.get("body")
            if body and content_type.startswith(b"text/event-stream"):
                await asyncio.sleep(SLOW_S)
            elif body and scope["path"] in GENERATING:
                await asyncio.sleep(SLOW_S * json.loads(body)["usage"]["completion_tokens"])
            await send(message)

        await self.app(scope, receive, sent)

    async def serves_a_connection_once(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer 400 to the second request on a connection."""
        again = scope["client"] in self.seen
        self.seen.add(scope["client"])
        await self.app(scope | {"method": "BREW"} if again else scope, receive, send)

    async def reads_no_chunks(self, scope: Any, receive: Any, send: Any) -> None:
        """Refuse a body whose length is not told."""
        if b"transfer-encoding" in dict(scope["headers"]):
            await send({"type": "http.response.start", "status": 411, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, send)

    async def counts_characters(self, scope: Any, receive: Any, send: Any) -> None:
        """Tell the length of an answer in characters."""
        if scope["path"] != "/v1/completions":
            await self.app(scope, receive, send)
            return
        messages: list[Any] = []

        async def gathered(message: Any) -> None:
            messages.append(message)

        await self.app(scope, receive, gathered)
        answer = json.loads(b"".join(message.get("body", b"") for message in messages))
        text = json.dumps(answer, ensure_ascii=False)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": text.encode()})

    async def leaks_slots(self, scope: Any, receive: Any, send: Any) -> None:
        """Keep the slot of each client that left, and wait for a free one for ever."""
        if scope["path"] in GENERATING and self.num_leaked >= NUM_SLOTS:
            await _until_gone(receive)
            return
        self.num_leaked += await self._is_left(scope, receive, send)

    async def works_on_for_who_left(self, scope: Any, receive: Any, send: Any) -> None:
        """Compute to its end what a client has left, and let the next one wait for that."""
        if scope["path"] in GENERATING:
            await asyncio.sleep(max(0.0, self.busy_until - time.monotonic()))
        if await self._is_left(scope, receive, send):
            self.busy_until = time.monotonic() + WORKS_ON_S

    async def _is_left(self, scope: Any, receive: Any, send: Any) -> bool:
        """Serve a connection, and return whether its client left before the end."""
        left = done = False

        async def watched() -> Any:
            nonlocal left
            message = await receive()
            left = left or message["type"] == "http.disconnect"
            return message

        async def sent(message: Any) -> None:
            nonlocal done
            done = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        await self.app(scope, watched, sent)
        return left and not done

    async def cuts_streams(self, scope: Any, receive: Any, send: Any) -> None:
        """End a running stream when another request comes."""
        mine = self.newest = object()

        async def sent(message: Any) -> None:
            if message["type"] == "http.response.body" and self.newest is not mine:
                message = message | {"body": b""}
            await send(message)

        await self.app(scope, receive, sent)


def blamed(results: Results) -> list[Case]:
    """Return what is judged FAIL or LIES, but for the one thing that a sound server in this wrapper does not do."""
    return [case for case in results.cases if case.verdict.is_bad and case.id != "stream.comes_as_it_is_written"]


async def _body(receive: Any) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _until_gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def broken_server(**settings: Any) -> BrokenServer:
    """Return the sound server over the reference backend, ready for faults."""
    return BrokenServer(create_app(reference_settings(**{"api_key": KEY} | EVERY_TASK | settings)))


@contextmanager
def listening(server: BrokenServer) -> Iterator[str]:
    """Serve on a free port from a thread, and yield the URL."""
    loop, ready = asyncio.new_event_loop(), asyncio.Event()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    thread = threading.Thread(target=loop.run_until_complete, args=(_serve(server, port, ready),), daemon=True)
    thread.start()
    wait_until_open(port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(ready.set)
        thread.join(20)
        loop.close()


def wait_until_open(port: int, limit_s: float = 30.0) -> None:
    """Return as soon as something listens on the port."""
    deadline = time.monotonic() + limit_s
    while True:
        with socket.socket() as knocking:
            if knocking.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nothing listens on port {port}"
        time.sleep(0.01)


async def _serve(server: BrokenServer, port: int, stop: asyncio.Event) -> None:
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.errorlog = None
    config.graceful_timeout = 0.5
    await serve(server, config, shutdown_trigger=stop.wait)


class Dying:
    """The sound server, but it ends its process when a grammar cannot be read: one request kills all."""

    def __init__(self, server: BrokenServer) -> None:
        self.server = server

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.server(scope, receive, send)
            return
        body = await _body(receive)
        if b"root ::= nothing" in body:
            os._exit(134)
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def given() -> Any:
            return messages.pop() if messages else await receive()

        await self.server(scope, given, send)


def fault_named(name: str) -> Fault:
    """Return a planted fault by its name."""
    (found,) = (fault for fault in FAULTS if fault.name == name)
    return found


if __name__ == "__main__":
    asyncio.run(_serve(Dying(broken_server()), int(sys.argv[1]), asyncio.Event()))  # type: ignore[arg-type]
