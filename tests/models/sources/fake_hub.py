"""A Hugging Face hub on this machine: the calls that a download needs, and the accidents that it may meet."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

REVISION = "a" * 40


@dataclass
class FakeHub:
    """What the hub has and does.

    ``repositories`` are the files' contents by repository and name; ``announced`` overrides the sha256 of a file, and
    ``announced_bytes`` its size;
    ``downloads`` are the names of the files in the order in which they were asked for. While ``stall`` is set, a file
    of more than ``stall_after`` bytes stops there, and ``stalled`` is set. ``num_cuts`` of the next downloads end
    there with the connection. ``listed`` is what a search looks through. ``refusals`` are the status, code and message
    with which all that is asked of a repository, or of one of its files, is answered; ``page`` is the answer to all.
    """

    repositories: Mapping[str, Mapping[str, bytes]]
    announced: dict[str, str] = field(default_factory=dict)
    announced_bytes: dict[str, int] = field(default_factory=dict)
    stall_after: int = 50_000
    num_cuts: int = 0
    listed: list[dict[str, object]] = field(default_factory=list)
    refusals: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    page: bytes = b""
    url: str = ""
    downloads: list[str] = field(default_factory=list)
    stall: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    resumed: threading.Event = field(default_factory=threading.Event)

    def describe(self, repository: str) -> bytes:
        files = self.repositories[repository]
        siblings = [
            {
                "rfilename": name,
                "size": self.announced_bytes.get(name, len(content)),
                "lfs": {"sha256": self.announced.get(name) or sha256(content), "size": 1, "pointerSize": 1},
            }
            for name, content in files.items()
        ]
        return json.dumps({"id": repository, "sha": REVISION, "siblings": siblings}).encode()

    def search(self, query: Mapping[str, list[str]]) -> bytes:
        """Return what the hub's list of models says for ``search``, ``sort`` and ``limit``."""
        (words,), (limit,) = query["search"], query["limit"]
        found = [each for each in self.listed if words.lower() in str(each["id"]).lower()]
        if query.get("sort") == ["downloads"]:
            found.sort(key=lambda each: -int(str(each["downloads"])))
        return json.dumps(found[: int(limit)]).encode()

    def resume(self) -> None:
        """Go on with the download that has stalled, and stall no more."""
        self.stall.clear()
        self.resumed.set()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def running(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve the hub until the block ends; ``url`` is where."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        hub.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield hub
        finally:
            hub.resume()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def answer(self) -> None:
        path, _, query = self.path.partition("?")
        if self.hub.page:
            return self.send(self.hub.page)
        if path == "/api/models":
            return self.send(self.hub.search(parse_qs(query)))
        if found := re.match(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/(.+))?", path):
            if found[1] in self.hub.refusals:
                return self.refuse(*self.hub.refusals[found[1]])
            if found[2] not in (None, "main", REVISION):
                return self.refuse(404, "RevisionNotFound")
            if found[1] in self.hub.repositories:
                return self.send(self.hub.describe(found[1]))
            return self.refuse(*((403, "GatedRepo") if "gated" in found[1] else (404, "RepoNotFound")))
        found = re.match(rf"/([\w.-]+/[\w.-]+)/resolve/{REVISION}/(.+)", path)
        content = self.hub.repositories.get(found[1], {}).get(found[2]) if found else None
        if found is None or content is None:
            return self.refuse(404, "EntryNotFound")
        if (name := f"{found[1]}/{found[2]}") in self.hub.refusals:
            return self.refuse(*self.hub.refusals[name])
        if self.command == "GET":
            self.hub.downloads.append(found[2])
        return self.send(content)

    def send(self, content: bytes) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        begin = int(wanted[1]) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        if wanted:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("ETag", f'"{sha256(content)}"')
        self.send_header("X-Repo-Commit", REVISION)
        self.end_headers()
        if self.command == "GET":
            self.write(content[begin:])

    def write(self, content: bytes) -> None:
        head, rest = content[: self.hub.stall_after], content[self.hub.stall_after :]
        self.wfile.write(head)
        if rest and self.hub.num_cuts:
            self.hub.num_cuts -= 1
            self.close_connection = True
            return
        if rest and self.hub.stall.is_set():
            self.wfile.flush()
            self.hub.stalled.set()
            self.hub.resumed.wait(60)
        try:
            self.wfile.write(rest)
        except ConnectionError:
            self.close_connection = True  # the client was killed meanwhile

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass
