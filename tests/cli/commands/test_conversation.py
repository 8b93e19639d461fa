"""A conversation's messages, its commands, and how answers are read from a stream of events."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from jan_ort.cli.terminal_chat.chat_model import ChatModel
from jan_ort.cli.terminal_chat.conversation import Conversation
from jan_ort.cli.terminal_chat.exchange import Answer, ChatError

Lines = Callable[[], Iterator[bytes]]


class ScriptedServer:
    """Gives the same answer to every request, and keeps what was asked."""

    def __init__(self, lines: Lines, status: int = 200) -> None:
        self.asked: list[dict[str, object]] = []
        self.num_left = 0
        self._lines, self._status = lines, status

    @contextmanager
    def request(self, method: str, path: str, body: bytes | None = None) -> Iterator[Answer]:
        self.asked.append(json.loads(body or b"{}"))
        try:
            yield Answer(self._status, self._lines())
        finally:
            self.num_left += 1

    def close(self) -> None:
        pass


def events(*texts: str, end: bytes = b"data: [DONE]\n\n") -> Lines:
    chunks = [json.dumps({"choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    lines = b"".join(f"data: {chunk}\n\n".encode() for chunk in chunks) + end
    return lambda: iter(lines.splitlines(keepends=True))


def interrupted(text: str) -> Lines:
    def lines() -> Iterator[bytes]:
        yield from events(text, end=b"")()
        raise KeyboardInterrupt

    return lines


def converse(server: ScriptedServer, typed: str, system: str | None = None) -> tuple[str, str]:
    """Return what the user sees on standard output and standard error."""
    with CliRunner().isolation(typed) as (out, err, _):
        Conversation(ChatModel(server, "m"), system).run()
        return out.getvalue().decode(), err.getvalue().decode()


def test_each_question_is_asked_with_all_that_was_said_before() -> None:
    server = ScriptedServer(events("Good ", "day"))

    shown, _ = converse(server, "Hello\nBye\n", system="Be kind")

    assert "Good day" in shown
    system, hello = {"role": "system", "content": "Be kind"}, {"role": "user", "content": "Hello"}
    assert [each["messages"] for each in server.asked] == [
        [system, hello],
        [system, hello, {"role": "assistant", "content": "Good day"}, {"role": "user", "content": "Bye"}],
    ]


def test_commands_change_the_instruction_and_forget_the_conversation() -> None:
    server = ScriptedServer(events("Good day"))

    _, told = converse(server, "Hello\n/system Be brief\n/clear\nBye\n/nonsense\n/exit\nnever\n")

    assert server.asked[-1]["messages"] == [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": "Bye"},
    ]
    assert "there is no command /nonsense" in told


def test_an_answer_that_is_ended_stays_in_the_conversation_as_far_as_it_came() -> None:
    server = ScriptedServer(interrupted("Once upon"))

    shown, told = converse(server, "A story\nGo on\n")

    assert shown.count("Once upon") == 2
    assert "(stopped)" in told
    assert {"role": "assistant", "content": "Once upon"} in server.asked[1]["messages"]  # type: ignore[operator]
    assert server.num_left == 2


def test_a_question_that_failed_is_not_part_of_the_conversation() -> None:
    server = ScriptedServer(events("half", end=b""))

    _, told = converse(server, "Hello\nBye\n")

    assert "ended its answer early" in told
    assert server.asked[1]["messages"] == [{"role": "user", "content": "Bye"}]


def test_an_answer_does_not_steer_the_terminal() -> None:
    shown, _ = converse(ScriptedServer(events("a\x1b[2Jb\x9b1mc\rd\n\te")), "Hello\n")

    assert "a[2Jb1mcd\n\te" in shown.replace(os.linesep, "\n")


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        (events("a", end=b'data: {"error": {"message": "no memory"}}\n\n'), 200, "could not go on: no memory"),
        (events("a", end=b"data: {\n\n"), 200, "not valid JSON"),
        (lambda: iter([b'{"error": {"message": "too long"}}']), 400, "answered 400: too long"),
        (lambda: iter([b"<h1>Bad\n Gateway</h1>"]), 502, "answered 502: <h1>Bad Gateway</h1>"),
    ],
)
def test_an_error_is_told(lines: Lines, status: int, message: str) -> None:
    model = ChatModel(ScriptedServer(lines, status), "m")

    with pytest.raises(ChatError, match=message):
        list(model.answer([]))


def test_comments_and_chunks_without_text_are_passed_over() -> None:
    start = b': ping\n\ndata: {"choices": [{"delta": {"role": "assistant"}}]}\n\ndata: {"choices": []}\n\n'
    lines = start + b"".join(events("x")())

    assert list(ChatModel(ScriptedServer(lambda: iter(lines.splitlines(keepends=True))), "m").answer([])) == ["x"]


def test_a_thought_is_shown_apart_and_not_kept() -> None:
    thought = json.dumps({"choices": [{"delta": {"reasoning_content": "Hm\x1b[2J.", "reasoning": "Hm\x1b[2J."}}]})
    server = ScriptedServer(lambda: iter([f"data: {thought}\n".encode(), *events("Yes.")()]))

    out, err = converse(server, "Hello\nAgain\n")

    assert "Hm[2J." in err
    assert "Hm" not in out
    assert "Hm" not in json.dumps(server.asked)


@pytest.mark.parametrize(
    ("listed", "name"),
    [
        ([{"id": "e", "metadata": {"tasks": ["embed"]}}, {"id": "g", "metadata": {"tasks": ["generate"]}}], "g"),
        ([{"id": "only"}], "only"),
    ],
)
def test_the_first_model_that_generates_is_taken(listed: list[dict[str, object]], name: str) -> None:
    text = json.dumps({"object": "list", "data": listed}).encode()

    assert ChatModel(ScriptedServer(lambda: iter([text]))).name == name
