"""A server at a URL, asked with nothing but the standard library."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from jan_ort.cli.terminal_chat.exchange import Answer, ChatError

CONNECT_S = 10.0
SILENCE_S = 300.0
"""How long a server may say nothing: a long prompt takes its time, and not every server sends signs of life."""


class RemoteServer:
    """The server at ``url``, with or without the ``/v1`` that clients of OpenAI's API are given."""

    def __init__(self, url: str, api_key: str | None = None) -> None:
        """Read the URL. Raises: ChatError if it is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ChatError(f"{url!r} is not a server URL (example: http://127.0.0.1:8000)")
        self.url = url
        self._parts = parts
        self._prefix = parts.path.rstrip("/").removesuffix("/v1")
        self.headers = {"Content-Type": "application/json"}
        if api_key is not None:
            # As bytes of UTF-8, which http.client takes in this form only.
            self.headers["Authorization"] = f"Bearer {api_key}".encode().decode("latin-1")

    @contextmanager
    def request(self, method: str, path: str, body: bytes | None = None) -> Iterator[Answer]:
        """Send a request and give its answer; closing the connection tells the server that it may stop."""
        connection = self._connection()
        try:
            connection.request(method, self._prefix + path, body, self.headers)
            if connection.sock is not None:
                connection.sock.settimeout(SILENCE_S)
            response = connection.getresponse()
            yield Answer(response.status, iter(response.readline, b""))
        except (OSError, http.client.HTTPException) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ChatError(
                f"the server at {self.url} does not answer ({reason}); is 'jan-ort serve' running there?"
            ) from error
        finally:
            connection.close()

    def load(self, name: str) -> None:
        """Raise the ChatError that it has no such model: what a server serves is not for its clients to say."""
        raise ChatError(f"the server at {self.url} has no model {name!r}; /model lists its models")

    def close(self) -> None:
        """Do nothing: every request has a connection of its own."""

    def _connection(self) -> http.client.HTTPConnection:
        host = self._parts.hostname
        assert host is not None, "checked when it was made"
        try:
            port = self._parts.port
        except ValueError as error:
            raise ChatError(f"--url {self.url!r}: {error}") from error
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=CONNECT_S)
        return http.client.HTTPConnection(host, port, timeout=CONNECT_S)
