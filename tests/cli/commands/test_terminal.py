"""``jan-ort chat`` as a user sees it: on a real pseudo-terminal, with keys, a paste, colours and a narrow window."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.scripted_server import Scripted, scripted

pytest.importorskip("fcntl", reason="Windows has no pseudo-terminals of this kind", exc_type=ImportError)

from tests.cli.pseudo_terminal import PseudoTerminal

MODEL = {"id": "scripted", "metadata": {"tasks": ["generate"], "recommended": {"temperature": 0.25}}}
ANSWER = """\
# Towns

Some **large** towns of the north are listed here with their rivers, one in each of the lines:

- Hamburg <b>on</b> the Elbe
- Bremen\x1b[2J on the [Weser](https://example.org/weser)

```python
print("a town")
```
"""
PIECE = 7
DELTAS = [
    {"reasoning_content": "Let me think of towns."},
    *({"content": ANSWER[at : at + PIECE]} for at in range(0, len(ANSWER), PIECE)),
]


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted(DELTAS, MODEL) as server:
        yield server


def chat(server: Scripted, columns: int = 40, **variables: str) -> PseudoTerminal:
    command = [sys.executable, "-m", "jan_ort", "chat", "--url", server.url]
    return PseudoTerminal(command, columns, **variables)


def lines_of(shown: str) -> list[str]:
    return [line.rstrip() for line in shown.replace("\r", "\n").splitlines()]


def test_an_answer_is_formatted_and_its_words_are_whole(server: Scripted) -> None:
    with chat(server) as terminal:
        terminal.wait_for("\n>")
        terminal.type("Which towns?\r")
        lines = lines_of(terminal.wait_for('print("a town")'))
        terminal.type("/exit\r")
        status = terminal.end()

    assert status == 0
    assert any(line.startswith("Thought for ") and line.endswith(" s, 5 words") for line in lines)
    assert "Some large towns of the north are listed" in lines
    assert "here with their rivers, one in each of" in lines
    assert " • Hamburg <b>on</b> the Elbe" in lines
    assert "Let me think" not in terminal.shown
    assert "Bremen[2J on the Weser" in " ".join(lines)
    assert "(https://example.org/weser)" in " ".join(lines)
    assert server.asked[0]["temperature"] == 0.25


@pytest.mark.parametrize(("variables", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_are_left_out_where_nobody_wants_them(
    server: Scripted, variables: dict[str, str], is_coloured: bool
) -> None:
    with chat(server, **variables) as terminal:
        terminal.wait_for("\n>")
        begin = len(terminal.shown)
        terminal.type("Which towns?\r")
        terminal.wait_for('print("a town")')
        answer = terminal.shown[begin:]

    assert any(f"\x1b[{style}3{colour}" in answer for style in ("", "1;") for colour in range(8)) == is_coloured
    assert "\x1b[1m" in answer, "bold is no colour"


def test_a_pasted_text_is_one_question_and_kept_in_the_history(server: Scripted, tmp_path: Path) -> None:
    for _ in range(2):
        with chat(server) as terminal:
            terminal.wait_for("\n>")
            if not server.asked:
                terminal.type("\x1b[200~first line\nsecond line\n/clear\x1b[201~")
                terminal.wait_for("/clear")
            else:
                terminal.type("\x1b[A")  # up: what was typed the last time
                terminal.wait_for("second line")
            terminal.type("\r")
            terminal.wait_for('print("a town")')

    asked = [each["messages"][0]["content"] for each in server.asked]
    assert asked == ["first line\nsecond line\n/clear"] * 2
    (history,) = (tmp_path / "user").rglob("chat-history")
    assert history.stat().st_mode & 0o777 == 0o600


def test_three_quotation_marks_begin_a_text_of_several_lines(server: Scripted) -> None:
    with chat(server) as terminal:
        terminal.wait_for("\n>")
        terminal.type('"""one\r')
        terminal.wait_for("...")
        terminal.type('two"""\r')
        terminal.wait_for('print("a town")')

    assert server.asked[0]["messages"][0]["content"] == "one\ntwo"


def test_ctrl_d_leaves_and_ctrl_c_does_not(server: Scripted) -> None:
    with chat(server) as terminal:
        terminal.wait_for("\n>")
        terminal.type("\x03")
        terminal.wait_for("/exit or Ctrl-D leaves\r\n>")
        terminal.type("\x04")

        assert terminal.end() == 0


def test_an_answer_that_goes_to_a_file_is_as_the_model_wrote_it(server: Scripted) -> None:
    command = f'"{sys.executable}" -m jan_ort chat Towns --url {server.url} 2>/dev/null | cat; echo end'
    with PseudoTerminal(["sh", "-c", command]) as terminal:
        shown = terminal.wait_for("end\r\n")

    assert shown.replace("\r\n", "\n") == ANSWER.replace("\x1b", "") + "\nend\n"
