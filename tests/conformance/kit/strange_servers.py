"""Servers that are not what the kit looks for: pages in place of an API, silence, and an API below a path."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.conformance.kit.broken_server import BrokenServer

PAGE = b"<html><body>Welcome</body></html>"


class Page(BaseHTTPRequestHandler):
    """Answers everything by a web page."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Write nothing to stderr."""


class Silence(Page):
    """Takes a request and never answers it."""

    stop = threading.Event()

    def do_GET(self) -> None:
        self.stop.wait(60)


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve on a free port from a thread, and yield the URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            Silence.stop.set()
            server.shutdown()
            thread.join()
            Silence.stop.clear()


class BelowAPath(BrokenServer):
    """Has the API below /api, and nothing elsewhere."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            scope = scope | {"path": scope["path"].removeprefix("/api") if scope["path"][:5] == "/api/" else "/nowhere"}
        await super().__call__(scope, receive, send)
