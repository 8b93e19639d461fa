"""``jan-ort bench``: what it measures of a stream, and of a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jan_ort.cli.bench.measuring import Bench, BenchError, Measured, first_model, percentile, prompt_of
from jan_ort.cli.terminal_chat.exchange import Answer
from tests.cli.commands.running import last_error, run
from tests.e2e.server_process import serve

TEXT = b'data: {"choices": [{"delta": {"content": "a"}}]}\n'
USAGE = b'data: {"choices": [], "usage": {"completion_tokens": 7}}\n'
ROLE = b'data: {"choices": [{"delta": {"role": "assistant"}}]}\n'
END = b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n'
DONE = b"data: [DONE]\n"


class Scripted:
    """Answers every request alike."""

    def __init__(self, *lines: bytes, status: int = 200) -> None:
        self.lines, self.status = lines, status
        self.bodies: list[bytes] = []

    @contextmanager
    def send(self, method: str, path: str, body: bytes | None) -> Iterator[Answer]:
        self.bodies += [body or b""]
        yield Answer(self.status, iter(self.lines))


def asked(server: Scripted, num_clients: int = 1, num_requests: int = 1) -> Measured:
    return Bench(server.send, "m", 5, 3).measure(num_clients, num_requests)


def test_only_texts_are_moments_and_the_usage_counts_tokens() -> None:
    measured = asked(Scripted(ROLE, b": ping\n", b"\n", TEXT, TEXT, TEXT, USAGE, DONE))

    assert (len(measured.first_s), len(measured.between_s), measured.num_tokens) == (1, 2, 7)


def test_without_usage_texts_are_counted() -> None:
    assert asked(Scripted(ROLE, TEXT, TEXT, DONE)).num_tokens == 2


def test_an_answer_that_ends_at_its_first_token_is_no_failure() -> None:
    measured = asked(Scripted(ROLE, END, b'data: {"choices": [], "usage": {"completion_tokens": 1}}\n', DONE))

    assert (measured.failures, len(measured.first_s), measured.between_s, measured.num_tokens) == ([], 1, [], 1)


def test_the_end_of_an_answer_with_text_is_no_moment() -> None:
    assert len(asked(Scripted(TEXT, TEXT, END, DONE)).between_s) == 1


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (Scripted(b'{"error": {}}', status=429), "status 429"),
        (Scripted(TEXT, b'data: {"error": {"message": "lost"}}\n'), "ends with an error"),
        (Scripted(ROLE, USAGE, DONE), "neither text nor an end"),
        (Scripted(b"data: {\n"), "Expecting property name"),
    ],
)
def test_what_fails_is_counted_and_measured_as_nothing(server: Scripted, said: str) -> None:
    measured = asked(server)

    assert (len(measured.failures), measured.first_s, measured.between_s) == (1, [], [])
    assert said in measured.failures[0]


def test_clients_ask_at_once_and_no_prompt_twice() -> None:
    together = threading.Barrier(3, timeout=20)

    class Meeting(Scripted):
        @contextmanager
        def send(self, method: str, path: str, body: bytes | None) -> Iterator[Answer]:
            together.wait()
            with super().send(method, path, body) as answer:
                yield answer

    server = Meeting(TEXT, DONE)
    measured = asked(server, 3, 6)

    assert (measured.num_requests, len(measured.failures), len(set(server.bodies))) == (6, 0, 6)


def test_a_prompt_has_as_many_words_and_percentiles_are_values() -> None:
    assert [len(prompt_of(4, number).split()) for number in (1, 2, 50)] == [1, 2, 50]
    assert [percentile([3.0, 1.0, 2.0, 4.0], each) for each in (1, 50, 75, 99)] == [1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("server", [Scripted(b'{"data": []}'), Scripted(b"<html>"), Scripted(b"no", status=401)])
def test_a_server_without_models_is_told(server: Scripted) -> None:
    with pytest.raises(BenchError, match="give --model"):
        first_model(server.send)


@pytest.mark.parametrize(
    ("url", "said"), [("nowhere", "is not a server URL"), ("http://127.0.0.1:1", "does not answer")]
)
def test_what_is_no_server_is_told(url: str, said: str) -> None:
    result = run("bench", url)

    assert result.exit_code == 1
    assert said in last_error(result)


def test_a_real_server_is_measured(tmp_path: Path) -> None:
    with serve(tmp_path, "--backend", "reference") as server:
        words = (
            "bench",
            f"{server.url}/v1",
            "--clients",
            "1",
            "--clients",
            "3",
            "--requests",
            "16",
            "--max-tokens",
            "8",
        )
        result, table = run(*words, "--json"), run(*words)

    assert result.exit_code == table.exit_code == 0, result.output + table.output
    one, three = json.loads(result.stdout)
    assert [(each["clients"], each["requests"], each["failed"]) for each in (one, three)] == [(1, 16, 0), (3, 48, 0)]
    assert 0 < one["between_p50_ms"] <= one["between_p99_ms"]
    assert 0 < three["first_p50_ms"] <= three["first_p99_ms"]
    assert "tokens/s" in table.stdout
