"""A conversation's messages, its commands, and how answers are read from a stream of events."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from jan_ort.cli.terminal_chat.chat_model import ChatModel
from jan_ort.cli.terminal_chat.conversation import Conversation
from jan_ort.cli.terminal_chat.dialogue import COMMANDS, talk
from jan_ort.cli.terminal_chat.exchange import Answer, ChatError
from jan_ort.cli.terminal_chat.line_input import LineInput

Lines = Callable[[], Iterator[bytes]]


class ScriptedServer:
    """Lists ``models``, gives the same answer to every question, and keeps what was asked."""

    def __init__(self, lines: Lines, status: int = 200, models: Sequence[dict[str, object]] = ({"id": "m"},)) -> None:
        self.asked: list[dict[str, object]] = []
        self.loaded: list[str] = []
        self.models = list(models)
        self.num_left = 0
        self._lines, self._status = lines, status

    @contextmanager
    def request(self, method: str, path: str, body: bytes | None = None) -> Iterator[Answer]:
        if method == "GET":
            yield Answer(200, iter([json.dumps({"object": "list", "data": self.models}).encode()]))
            return
        self.asked.append(json.loads(body or b"{}"))
        try:
            yield Answer(self._status, self._lines())
        finally:
            self.num_left += 1

    def load(self, name: str) -> None:
        if name == "nowhere":
            raise ChatError("no model 'nowhere'")
        self.loaded.append(name)
        self.models = [{"id": name}]

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
        talk(Conversation(ChatModel(server, "m"), system), LineInput())
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

    assert "the answer was cut off" in told
    assert server.asked[1]["messages"] == [{"role": "user", "content": "Bye"}]


def test_an_answer_does_not_steer_the_terminal() -> None:
    shown, _ = converse(ScriptedServer(events("a\x1b[2Jb\x9b1mc\rd\n\te")), "Hello\n")

    assert "a[2Jb1mcd\n\te" in shown.replace(os.linesep, "\n")


@pytest.mark.parametrize(
    ("lines", "status", "message"),
    [
        (events("a", end=b'data: {"error": {"message": "no memory"}}\n\n'), 200, "the server failed: no memory"),
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


EMBEDS: dict[str, object] = {"id": "e", "metadata": {"tasks": ["embed"]}}
COOL: dict[str, object] = {"id": "cool", "metadata": {"tasks": ["generate"], "recommended": {"temperature": 0.2}}}
HOT: dict[str, object] = {"id": "hot", "metadata": {"tasks": ["generate"], "recommended": {"top_k": 90}}}


@pytest.mark.parametrize(("listed", "name"), [([EMBEDS, COOL], "cool"), ([{"id": "only"}], "only"), ([EMBEDS], "e")])
def test_the_first_model_that_generates_is_taken(listed: list[dict[str, object]], name: str) -> None:
    assert ChatModel(ScriptedServer(events(), models=listed)).name == name


def test_a_server_without_models_is_told() -> None:
    with pytest.raises(ChatError, match="lists no model"):
        ChatModel(ScriptedServer(events(), models=[]))


def test_a_model_is_asked_with_the_sampling_that_its_makers_recommend_unless_another_is_given() -> None:
    server = ScriptedServer(events("x"), models=[COOL, HOT])
    model = ChatModel(server, options={"max_tokens": 9})

    list(model.answer([]))
    model.switch("hot")
    list(model.answer([]))
    list(ChatModel(server, options={"temperature": 1.0}).answer([]))

    sampled = [
        {key: each[key] for key in ("model", "temperature", "top_k", "max_tokens") if key in each}
        for each in server.asked
    ]
    assert sampled == [
        {"model": "cool", "temperature": 0.2, "max_tokens": 9},
        {"model": "hot", "top_k": 90, "max_tokens": 9},
        {"model": "cool", "temperature": 1.0},
    ]


def test_another_model_is_chosen_of_those_that_are_served_or_loaded() -> None:
    server = ScriptedServer(events("x"), models=[COOL, HOT])

    _, told = converse(server, "/model\n/model hot\n/model nowhere\nHi\n/model new\nHi\n")

    assert "model: m; there are also cool, hot" in told
    assert "model: hot; there are also cool" in told
    assert "Error: no model 'nowhere'" in told
    assert [each["model"] for each in server.asked] == ["hot", "new"]
    assert server.loaded == ["new"]


def test_an_answer_is_given_again() -> None:
    server = ScriptedServer(events("Good day"))

    _, told = converse(server, "/regenerate\nHello\n/regenerate\nBye\n")

    hello, said = {"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Good day"}
    assert "Error: no question was asked yet" in told
    assert [each["messages"] for each in server.asked] == [
        [hello],
        [hello],
        [hello, said, {"role": "user", "content": "Bye"}],
    ]


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ('"""one\n  two\n\nthree"""\n', "one\n  two\n\nthree"),
        ('"""\n/clear is no command here\n"""\n', "/clear is no command here"),
        ('"""/usr/bin"""\n', "/usr/bin"),
        ('"""to the end\nof the input', "to the end\nof the input"),
    ],
)
def test_three_quotation_marks_hold_several_lines(typed: str, asked: str) -> None:
    server = ScriptedServer(events("x"))

    converse(server, typed)

    assert [each["messages"] for each in server.asked] == [[{"role": "user", "content": asked}]]


def test_a_pasted_text_is_one_question() -> None:
    server = ScriptedServer(events("x"))
    pasted = iter(["/etc/hosts:\n127.0.0.1 localhost"])

    def read(_: str) -> str:
        try:
            return next(pasted)
        except StopIteration:
            raise EOFError from None

    talk(Conversation(ChatModel(server)), LineInput(read))

    assert [each["messages"] for each in server.asked] == [
        [{"role": "user", "content": "/etc/hosts:\n127.0.0.1 localhost"}]
    ]


def test_a_conversation_is_saved_and_gone_on_with(tmp_path: Path) -> None:
    server, path = ScriptedServer(events("Good day")), tmp_path / "here.json"

    _, told = converse(server, f"Hello\n/save first\n/save {path}\n/clear\n/load first\nBye\n", system="Be kind")
    _, again = converse(server, f"/load\n/load {path}\n/save {path}\n/load none\n/save ../x y\nBye\n")

    assert "saved to" in told
    assert server.asked[1]["messages"] == server.asked[2]["messages"]
    assert [each["content"] for each in server.asked[1]["messages"]] == ["Be kind", "Hello", "Good day", "Bye"]  # type: ignore[attr-defined]
    assert "saved by name: first" in again
    assert f"{path} already exists; choose another path" in again
    assert "none.json; saved by name: first" in again
    if sys.platform != "win32":
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["[]", "{", '{"messages": [{"role": "system"}]}', '{"messages": 3}', "\xff"])
def test_a_file_that_is_no_conversation_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content, "latin-1")

    _, told = converse(ScriptedServer(events("x")), f"/load {path}\n")

    assert f"Error: {path} " in told


def test_a_picture_goes_with_the_next_question(tmp_path: Path) -> None:
    server, path = ScriptedServer(events("x")), tmp_path / "a b.png"
    path.write_bytes(b"png")

    _, told = converse(server, f"/image\n/image {path}\n/image {tmp_path / 'none.png'}\nWhat is it?\nAnd?\n")

    (first, second) = ([each["content"] for each in asked["messages"]] for asked in server.asked)  # type: ignore[attr-defined]
    assert [part["type"] for part in first[0]] == ["image_url", "text"]
    assert second[2] == "And?"
    assert "images for the next question: 1" in told
    assert "cannot be read" in told


@pytest.mark.parametrize("restart", ["/clear", "/load first"])
def test_a_conversation_begins_without_the_images_and_the_thought_of_another(tmp_path: Path, restart: str) -> None:
    thought = json.dumps({"choices": [{"delta": {"reasoning_content": "Hm."}}]})
    server = ScriptedServer(lambda: iter([f"data: {thought}\n".encode(), *events("Yes.")()]))
    (path := tmp_path / "a.png").write_bytes(b"png")

    _, told = converse(server, f"Hello\n/save first\n/image {path}\n{restart}\n/thought\nBye\n")

    assert server.asked[-1]["messages"][-1] == {"role": "user", "content": "Bye"}  # type: ignore[index]
    assert "has no reasoning" in told


def test_the_last_thought_is_shown_when_asked_for() -> None:
    thought = json.dumps({"choices": [{"delta": {"reasoning_content": "Hm."}}]})
    server = ScriptedServer(lambda: iter([f"data: {thought}\n".encode(), *events("Yes.")()]))

    _, told = converse(server, "/thought\nHello\n/thought\n")

    assert told.count("Hm.") == 2
    assert "has no reasoning" in told


def test_every_command_is_in_the_help() -> None:
    _, told = converse(ScriptedServer(events("x")), "/help\n")

    assert [name for name in COMMANDS if name not in told] == []
