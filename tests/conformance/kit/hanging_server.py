"""A server of the standard library that hangs on some bodies, those of some lengths, for good; run by its path.

``python hanging_server.py PORT LOG [begin]``: writes a line to LOG for each start and each request to tokenize; with
``begin`` it begins an answer before it hangs. It goes on answering GET.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from jan_ort_openapi import load_spec

PATH = "/extras/tokenize"
DOCUMENT = json.dumps(load_spec()).encode()
"""It serves the document, for what is not described is not fuzzed."""


def note(line: str) -> None:
    with Path(sys.argv[2]).open("a") as log:
        log.write(f"{line}\n")


class Hanging(BaseHTTPRequestHandler):
    """Once a request has hung, all that follow hang too, but for GET."""

    hung = False

    def parse_request(self) -> bool:
        parsed = super().parse_request()
        if parsed and self.path == PATH:
            note("request")
        return parsed

    def do_GET(self) -> None:
        if self.path == "/openapi.json":
            self.answer(200, len(DOCUMENT), DOCUMENT)
        else:
            self.answer(200 if self.path == "/health" else 404, 2)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        Hanging.hung |= len(body) % 4 == 1
        if Hanging.hung and "begin" in sys.argv:
            self.answer(200, 9)
        if Hanging.hung:
            threading.Event().wait()
        self.answer(422, 2)

    def answer(self, status: int, length: int, body: bytes = b"{}") -> None:
        """Answer with an object, of which ``length`` bytes are promised."""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Write nothing to stderr."""


if __name__ == "__main__":
    note("start")
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Hanging).serve_forever()
