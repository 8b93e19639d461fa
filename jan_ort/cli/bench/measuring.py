"""Streams of several clients at once, and the moments at which their texts came."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

_WORDS = ("the", "river", "turns", "slowly", "past", "old", "mills", "where", "nobody", "has", "ground", "any", "corn")


class BenchError(Exception):
    """Raised when nothing can be measured; the message says why."""


class Answered(Protocol):
    """An answer as it comes."""

    @property
    def status(self) -> int:
        """The status of HTTP."""
        ...

    @property
    def lines(self) -> Iterable[bytes]:
        """Its lines."""
        ...


Send = Callable[[str, str, bytes | None], AbstractContextManager[Answered]]
"""Sends a request (method, path, body). Raises: OSError, ValueError."""


@dataclass
class Measured:
    """What a number of clients saw; times in seconds."""

    num_clients: int
    elapsed_s: float = 0.0
    num_requests: int = 0
    num_tokens: int = 0
    first_s: list[float] = field(default_factory=list)
    between_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, float | int | None]:
        """Return the figures by name: milliseconds, and tokens of all clients a second."""
        return {
            "clients": self.num_clients,
            "requests": self.num_requests,
            "failed": len(self.failures),
            "first_p50_ms": _ms(self.first_s, 50),
            "first_p99_ms": _ms(self.first_s, 99),
            "between_p50_ms": _ms(self.between_s, 50),
            "between_p99_ms": _ms(self.between_s, 99),
            "tokens_per_s": round(self.num_tokens / self.elapsed_s, 1) if self.elapsed_s else None,
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that so many percent of them do not exceed (nearest rank)."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def _ms(seconds: Sequence[float], percent: float) -> float | None:
    return round(percentile(seconds, percent) * 1000, 2) if seconds else None


def prompt_of(number: int, num_words: int) -> str:
    """Return a prompt of about so many tokens that begins unlike any other, so that no cache has it."""
    words = (_WORDS[(number + at) % len(_WORDS)] for at in range(max(0, num_words - 1)))
    return " ".join([f"{time.time_ns()}-{number}", *words])


def first_model(send: Send) -> str:
    """Return the first model that the server lists. Raises: BenchError."""
    with send("GET", "/v1/models", None) as answer:
        raw = b"".join(answer.lines)
        if answer.status != 200:
            raise BenchError(f"/v1/models is answered {answer.status}: {_short(raw)}; give --model, or the key")
    try:
        return str(json.loads(raw)["data"][0]["id"])
    except (ValueError, LookupError, TypeError) as error:
        raise BenchError("/v1/models lists no model; give --model") from error


@dataclass(frozen=True)
class Bench:
    """How a server is asked: chat completions of ``max_tokens`` at temperature 0, streamed."""

    send: Send
    model: str
    num_words: int
    max_tokens: int

    def measure(self, num_clients: int, num_requests: int) -> Measured:
        """Ask so often by so many clients, each of which asks again as soon as it has its answer."""
        measured, lock, numbers = Measured(num_clients), threading.Lock(), iter(range(num_requests))
        started = time.perf_counter()
        with ThreadPoolExecutor(num_clients) as clients:
            for each in [clients.submit(self._client, numbers, measured, lock) for _ in range(num_clients)]:
                each.result()
        measured.elapsed_s = time.perf_counter() - started
        return measured

    def _client(self, numbers: Iterator[int], measured: Measured, lock: threading.Lock) -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            self.ask(number, measured, lock)

    def ask(self, number: int, measured: Measured, lock: threading.Lock) -> None:
        """Stream one answer, and note its moments, or why there were none."""
        moments: list[float] = []
        num_tokens, failure = 0, None
        started = time.perf_counter()
        try:
            with self.send("POST", "/v1/chat/completions", self._body(number)) as answer:
                if answer.status == 200:
                    num_tokens = _read(answer.lines, moments)
                else:
                    failure = f"status {answer.status}: {_short(b''.join(answer.lines))}"
        except (OSError, ValueError) as error:
            failure = str(error)
        if failure is None and not moments:
            failure = "the answer has neither text nor an end"
        with lock:
            measured.num_requests += 1
            if failure is not None:
                measured.failures.append(failure)
                return
            measured.num_tokens += num_tokens
            measured.first_s.append(moments[0] - started)
            measured.between_s += [later - each for each, later in pairwise(moments)]

    def _body(self, number: int) -> bytes:
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt_of(number, self.num_words)}],
            "max_tokens": self.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return json.dumps(body).encode()


def _read(lines: Iterable[bytes], moments: list[float]) -> int:
    """Add the moment of each event with text; return the tokens as the usage has them, else those events.

    An answer may end at its first token: then its end is its first moment.

    Raises: ValueError for an error event, or what is no event.
    """
    counted: int | None = None
    for line in lines:
        if not line.startswith(b"data:") or line[5:].strip() == b"[DONE]":
            continue
        now, event = time.perf_counter(), json.loads(line[5:])
        if "error" in event:
            raise ValueError(f"the stream ends with an error: {_short(line)}")
        choices = event.get("choices") or ()
        if any(map(_has_text, choices)) or (not moments and any(each.get("finish_reason") for each in choices)):
            moments.append(now)
        counted = (event.get("usage") or {}).get("completion_tokens", counted)
    return len(moments) if counted is None else counted


def _has_text(choice: dict[str, Any]) -> bool:
    delta = choice.get("delta") or {}
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning", "tool_calls"))


def _short(raw: bytes) -> str:
    return raw[:200].decode(errors="replace").strip()
