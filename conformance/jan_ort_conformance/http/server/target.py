"""The server under test: one HTTP client that remembers what was sent, so that each case can be repeated by curl."""

from __future__ import annotations

import json
import math
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from jan_ort_conformance.http.server.api_key import OWN, filled, hidden
from jan_ort_conformance.http.server.events import is_event_stream
from jan_ort_conformance.http.server.sent_request import SentRequest, shown

_SLACK = 8
"""How many times the time that its tokens take alone an answer may take: others are served beside it."""
_DEFAULT_TOKENS = 100
_MOST_TOKENS = 10_000
"""A number of tokens beyond it is a limit that no answer comes to."""


class TargetError(Exception):
    """Raised when a server cannot be judged at this URL or with this key; the message has the remedy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: httpx.Headers
    body: bytes
    duration_s: float

    @property
    def text(self) -> str:
        """The body as UTF-8; bytes that are none are replaced."""
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        """The body as JSON. Raises: ValueError."""
        return json.loads(self.body)

    @property
    def is_stream(self) -> bool:
        """Whether it says that it is a stream of server-sent events."""
        return is_event_stream(self.headers.get("content-type"))

    def __str__(self) -> str:
        return f"{self.status} {self.text[:400]}"


class Target:
    """A client of the server at ``url``; ``timeout_s`` is the longest silence that is waited for. Thread-safe.

    A plain answer may take longer: several times what the server needs for the tokens that are asked for, where
    ``token_time_s`` is what it needs for one. ``patience_s`` is how long the last request waited at most.
    """

    def __init__(
        self, url: str, *, key: str | None = None, timeout_s: float = 30.0, ca_file: Path | None = None
    ) -> None:
        """Take the URL with or without the /v1 at its end. Raises: TargetError."""
        self.url = _base_of(url)
        self.key = key
        self._trust = _trust(ca_file)
        self.timeout_s = timeout_s
        self.token_time_s = 0.0
        self.patience_s = timeout_s
        self._client = self._connections()
        self._sent: list[SentRequest] = []
        self._came = ""
        self._lock = threading.Lock()

    def __enter__(self) -> Target:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def forget(self) -> None:
        """Forget what was sent, and the connections it was sent on: a case begins."""
        self._sent.clear()
        self._came = ""
        self._client.close()
        self._client = self._connections()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What is sent within is no part of the case."""
        kept = list(self._sent), self._came
        try:
            yield
        finally:
            self._sent, self._came = kept

    def _connections(self) -> httpx.Client:
        """Return a client with a connection for each request: a kept one may be closed by the server at any time."""
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(timeout=self.timeout_s, trust_env=False, limits=limits, verify=self._trust)

    def repeat(self) -> str:
        """Return the curl line of the last request, or nothing."""
        return self._sent[-1].curl() if self._sent else ""

    def num_bytes_sent(self) -> int:
        """Return the size of the last request's body."""
        return len(self._sent[-1].body or b"") if self._sent else 0

    def exchange(self) -> tuple[str, str]:
        """Return the last request and what came, as a report shows them."""
        return self._sent[-1].told() if self._sent else "", self._came

    def hide(self, text: str) -> str:
        """Return the text without the key, so that it can be published."""
        return hidden(text, self.key)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        credentials: str = OWN,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request, ``body`` as JSON unless it is bytes or None, and return the whole answer.

        ``credentials`` name the key by its variable; nothing is none.
        """
        with self.open(method, path, body, credentials=credentials, headers=headers) as response:
            started = time.monotonic()
            content = response.read()
            took = response.elapsed.total_seconds() if response.is_closed else time.monotonic() - started
            self._came = f"{response.status_code} {shown(content)}".rstrip()
            return Answer(response.status_code, response.headers, content, took)

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        credentials: str = OWN,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[httpx.Response]:
        """Send a request and yield the response before its body is read; leaving the block closes the connection."""
        sent = self._prepare(method, path, body, credentials, headers or {})
        own = {"Authorization": filled(sent.credentials, self.key or "")} if sent.credentials else {}
        with self._lock:
            self._sent.append(sent)
            self._came = ""
            self.patience_s = patience_s = self.patience_for(_num_tokens(body))
            client = self._client
        headers = {**own, **sent.headers}
        content = iter((sent.body or b"",)) if "Transfer-Encoding" in headers else sent.body  # no length is known
        with client.stream(method, sent.url, content=content, headers=headers, timeout=patience_s) as response:
            self._came = f"{response.status_code}, and what follows it was read as it came"
            yield response

    def connection(self) -> HTTPConnection:
        """Return a connection of its own, of the standard library, which opens no second one unasked."""
        url = urlsplit(self.url)
        if url.scheme == "https":
            return HTTPSConnection(url.hostname or "", url.port, timeout=self.timeout_s, context=self._trust)
        return HTTPConnection(url.hostname or "", url.port, timeout=self.timeout_s)

    def patience_for(self, num_tokens: int) -> float:
        """Return how long an answer of so many tokens is waited for."""
        return self.timeout_s + _SLACK * self.token_time_s * num_tokens

    def _prepare(
        self, method: str, path: str, body: object, credentials: str, headers: Mapping[str, str]
    ) -> SentRequest:
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if body is not None else {}
        given |= dict(headers)
        return SentRequest(method, f"{self.url}{path}", given, body, "" if self.key is None else credentials)

    def answers(self) -> bool:
        """Whether anything answers at the URL, whatever it says."""
        return self.silence() == ""

    def silence(self) -> str:
        """Return why nothing answers at the URL; nothing if something does, whatever it says."""
        try:
            self._glance("/v1/models")
        except httpx.TimeoutException:
            return f"no answer within {self._glance_s:g} s"
        except httpx.TransportError as error:
            return str(error) or type(error).__name__
        return ""

    def is_ready(self) -> bool:
        """Whether it answers, and does not say that it is still loading."""
        try:
            return self._glance("/health") != 503
        except httpx.TransportError:
            return False

    @property
    def _glance_s(self) -> float:
        return min(self.timeout_s, 5.0)

    def _glance(self, path: str) -> int:
        """Return the status of an answer, whose body is not waited for."""
        with (
            httpx.Client(timeout=self._glance_s, trust_env=False, verify=self._trust) as client,
            client.stream("GET", f"{self.url}{path}") as response,
        ):
            return response.status_code


def _num_tokens(body: object) -> int:
    """Return for how many tokens a request asks before anything is heard; of a stream the first is heard at once."""
    if not isinstance(body, dict) or body.get("stream") is True or not {"prompt", "messages"} & body.keys():
        return 0
    prompts = body.get("prompt")
    factors = [body.get("max_completion_tokens") or body.get("max_tokens") or _DEFAULT_TOKENS]
    factors += [max(count for count in (body.get("n"), body.get("best_of"), 1) if isinstance(count, int))]
    factors += [len(prompts) if isinstance(prompts, list) and isinstance(next(iter(prompts), 0), str) else 1]
    return math.prod(int(each) for each in factors if isinstance(each, int | float) and 0 < each < _MOST_TOKENS)


def _base_of(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise TargetError(f"{url!r} is not a URL: {error} (example: http://127.0.0.1:8000)") from error
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise TargetError(f"{url!r} is not a server URL (example: http://127.0.0.1:8000)")
    return url.rstrip("/").removesuffix("/v1")


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise TargetError(f"{ca_file} holds no certificates: {error.reason}; give a PEM file") from error
