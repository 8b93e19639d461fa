"""Markdown on a terminal: which blocks are complete, what is shown of HTML and line ends, and the last lines alone."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from jan_ort.cli.terminal_chat.markdown_text import Tail, complete_blocks, markdown


def drawn(renderable: object, height: int = 25) -> list[str]:
    console = Console(file=io.StringIO(), width=40, height=height, force_terminal=True, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return [line.rstrip() for line in Console(file=io.StringIO()).render_str(capture.get()).plain.splitlines()]


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("A paragraph that may gr", ""),
        ("One.\n\nTwo", "One.\n"),
        ("One.\n\n- a\n- b\n", "One.\n"),
        ("- a\n\n  more of a\n", ""),
        ("```\nx = 1\n\ny = 2\n", ""),
        ("```\nx = 1\n```\n\nDone", "```\nx = 1\n```\n"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", ""),
    ],
)
def test_a_block_is_complete_once_another_has_begun(text: str, complete: str) -> None:
    head, rest = complete_blocks(text)

    assert head == complete
    assert "\n".join(filter(None, (head, rest))) == text


BLOCKS = ["One line.", "# Title", "- a\n- b", "1. a\n2. b", "```\ncode\n\ncode\n```", "> quote", "two\nlines", "---"]


@given(st.lists(st.sampled_from(BLOCKS), min_size=1, max_size=6), st.integers(1, 9))
def test_blocks_that_are_taken_as_they_come_are_those_of_the_whole(blocks: list[str], size: int) -> None:
    text = "\n\n".join(blocks)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    taken, rest = "", ""
    for piece in pieces:
        head, rest = complete_blocks(rest + piece)
        taken += head and head + "\n"

    assert taken + rest == text


def test_tags_are_text_and_lines_end_where_the_model_ended_them() -> None:
    assert drawn(markdown("<div>a</div>\n\nRoses are red,\nviolets <i>blue</i>")) == [
        "<div>a</div>",
        "",
        "Roses are red,",
        "violets <i>blue</i>",
    ]


def test_of_what_is_too_high_the_last_lines_are_drawn() -> None:
    long = "\n".join(f"line {number}" for number in range(30))

    assert drawn(Tail(markdown(long)), height=5) == ["line 27", "line 28", "line 29"]
