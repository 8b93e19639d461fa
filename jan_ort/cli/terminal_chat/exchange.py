"""What a chat needs of a server, wherever that runs: one request, and its answer line by line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol


class ChatError(Exception):
    """Raised when a question cannot be answered; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; ``lines`` come as they are sent, with their line ends."""

    status: int
    lines: Iterator[bytes]


class ChatServer(Protocol):
    """Answers requests of OpenAI's API."""

    def request(self, method: str, path: str, body: bytes | None = None) -> AbstractContextManager[Answer]:
        """Send a request and give its answer; leaving the block ends an answer that is not complete.

        ``body`` is JSON. Raises: ChatError if there is no answer.
        """
        ...

    def load(self, name: str) -> None:
        """Serve a model that is not served yet. Raises: ChatError, and then the models are those before."""
        ...

    def close(self) -> None:
        """Free everything."""
        ...
