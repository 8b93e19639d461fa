"""Answers split into thoughts and what follows, and the calls that are looked for in the latter only."""

from __future__ import annotations

import itertools
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.chat.formats import read_template
from jan_ort.chat.reasoning import (
    AnswerDelta,
    ReasoningDelta,
    ReasoningStage,
    ThinkingParser,
    ThoughtMarkers,
    find_thoughts,
)
from jan_ort.chat.tools import ContentDelta, Event
from jan_ort.chat.tools.call_reader import MAX_SPACE
from tests.chat.template.recorded import FOLDER
from tests.chat.tools.parsing import HERMES, LLAMA3, call, content, joined, new_parser

THINK = ThoughtMarkers("<think>", "</think>")
NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


def new_stage(is_thinking: bool = False, hidden: Collection[str] = ()) -> ReasoningStage:
    return ReasoningStage(THINK, is_thinking=is_thinking, hidden=hidden)


def split(*pieces: str, is_thinking: bool = False, hidden: Collection[str] = ()) -> tuple[str, str]:
    """Return the thoughts and the answer of a text that came in these pieces; checks that the answer comes last."""
    stage = new_stage(is_thinking, hidden)
    found = [*(delta for piece in pieces for delta in stage.feed(piece)), *stage.finish()]
    kinds = [isinstance(delta, AnswerDelta) for delta in found]
    assert kinds == sorted(kinds)
    assert all(delta.text for delta in found)
    thoughts = "".join(delta.text for delta in found if isinstance(delta, ReasoningDelta))
    return thoughts, "".join(delta.text for delta in found if isinstance(delta, AnswerDelta))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ((FOLDER / "thinking.jinja").read_text(encoding="utf-8"), THINK),
        ("{{ '<｜Assistant｜><think>\\n' }}", THINK),
        ("{{ m.content.split('</think>')[-1] }}", THINK),
        ("{{ m.content }}", None),
        ("{# <think> #}{{ think }}", None),
    ],
)
def test_a_template_that_writes_or_removes_thoughts_has_a_model_that_thinks(
    source: str, expected: ThoughtMarkers | None
) -> None:
    assert find_thoughts(read_template(source).text) == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<think>", True),
        ("<think>\n\n</think>\n\n", False),
        ("<|im_start|>assistant\n", False),
        ("", False),
    ],
)
def test_a_prompt_that_ends_with_the_opening_leaves_the_thought_to_the_answer(prompt: str, expected: bool) -> None:
    assert THINK.are_open_in(prompt) is expected


SPLITS = [
    ("<think>\nHm.\n</think>\n\nYes.", False, "<think>\nHm.\n</think>", "\n\nYes."),
    (" \n<think>Hm.</think>Yes.", False, " \n<think>Hm.</think>", "Yes."),
    ("<think></think><think>a</think>\n<think>b", False, "<think></think><think>a</think>\n<think>b", ""),
    ("<think>a </thin</think></think>", False, "<think>a </thin</think>", "</think>"),
    ("<think>a <think>b</think>c", False, "<think>a <think>b</think>", "c"),
    ("<think>cut </thi", False, "<think>cut </thi", ""),
    ("Hm.\n</think>\nYes.", True, "Hm.\n</think>", "\nYes."),
    ("<think>Hm.</think>Yes.", True, "<think>Hm.</think>", "Yes."),
    ("never closed", True, "never closed", ""),
    ("Yes. <think>no</think>", False, "", "Yes. <think>no</think>"),
    ("\n <thinking>", False, "", "\n <thinking>"),
    ("</think>Yes.", False, "", "</think>Yes."),
    ("<thi", False, "", "<thi"),
    (" \n", False, "", " \n"),
    ("", True, "", ""),
]


@pytest.mark.parametrize(("text", "is_thinking", "thoughts", "answer"), SPLITS)
def test_thoughts_stand_before_the_answer_however_it_is_cut(
    text: str, is_thinking: bool, thoughts: str, answer: str
) -> None:
    cuts = [split(text[:at], text[at:], is_thinking=is_thinking) for at in range(len(text) + 1)]

    assert cuts == [(thoughts, answer)] * len(cuts)
    assert split(*text, is_thinking=is_thinking) == (thoughts, answer)


FRAGMENTS = ("<think>", "</think>", "<thi", "</", "<", ">", "think>", " ", "\n", "a", "é", " " * (MAX_SPACE - 1))


@given(
    text=st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join),
    is_thinking=st.booleans(),
    cuts=st.lists(st.integers(0, 200)),
)
def test_any_text_is_split_alike_and_kept_however_it_is_cut(text: str, is_thinking: bool, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    found = split(text, is_thinking=is_thinking)

    assert "".join(found) == text
    assert split(*pieces, is_thinking=is_thinking) == split(*text, is_thinking=is_thinking) == found


@pytest.mark.parametrize(("num_spaces", "is_thought"), [(MAX_SPACE, True), (MAX_SPACE + 1, False)])
def test_whitespace_is_held_back_up_to_a_limit(num_spaces: int, is_thought: bool) -> None:
    text = f"{' ' * num_spaces}<think>a</think>"

    assert split(text) == split(*text) == ((text, "") if is_thought else ("", text))


def test_a_thought_is_given_out_as_it_comes_and_an_answer_as_it_is() -> None:
    stage = new_stage()

    found = [stage.feed(piece) for piece in ("<think>a", " b<", "c</thi", "nk>", "\n", "Yes", " </", "think>")]

    assert found == [
        [ReasoningDelta("<think>"), ReasoningDelta("a")],
        [ReasoningDelta(" b")],
        [ReasoningDelta("<c")],
        [ReasoningDelta("</think>")],
        [],
        [AnswerDelta("\nYes")],
        [AnswerDelta(" </")],
        [AnswerDelta("think>")],
    ]


def test_hidden_markers_are_read_and_not_given_out() -> None:
    text = "\n<think>Hm.</think><think>So</think> Yes."

    assert split(*text, hidden={"<think>", "</think>"}) == ("\nHm.So", " Yes.")
    assert split(text, hidden={"</think>"}) == ("\n<think>Hm.<think>So", " Yes.")


ANSWERS: list[tuple[str, bool, list[Event]]] = [
    (f"<think>I could {NOW}.</think>\nNo.", False, content(f"<think>I could {NOW}.</think>\nNo.")),
    (f"<think>{NOW}</think>\n{NOW}", False, [*content(f"<think>{NOW}</think>"), *call(0, "now", "{}")]),
    (f"I could {NOW}\n</think>\n\n{NOW}", True, [*content(f"I could {NOW}\n</think>"), *call(0, "now", "{}")]),
    (f"<think>{NOW} cut", False, content(f"<think>{NOW} cut")),
    (f"Look.\n{NOW}", False, [*content("Look."), *call(0, "now", "{}")]),
    ("<think><tool_call></think>Yes <tool", False, content("<think><tool_call></think>Yes <tool")),
]


@pytest.mark.parametrize(("text", "is_thinking", "expected"), ANSWERS)
def test_a_call_inside_a_thought_is_none(text: str, is_thinking: bool, expected: list[Event]) -> None:
    def parsed(*pieces: str) -> list[Event]:
        parser = ThinkingParser(new_stage(is_thinking), new_parser(HERMES))
        return joined([*(event for piece in pieces for event in parser.feed(piece)), *parser.finish()])

    cuts = [parsed(text[:at], text[at:]) for at in range(len(text) + 1)]

    assert cuts == [expected] * len(cuts)
    assert parsed(*text) == expected


def test_the_end_of_a_thought_begins_a_line() -> None:
    parser = ThinkingParser(new_stage(), new_parser(LLAMA3))

    events = joined([*parser.feed('<think>Hm.</think>{"name": "now", "parameters": {}}'), *parser.finish()])

    assert events == [ContentDelta("<think>Hm.</think>"), *call(0, "now", "{}")]


def test_an_answer_is_done_with_its_only_call_and_not_with_one_of_its_thoughts() -> None:
    parser = ThinkingParser(new_stage(), new_parser(HERMES, is_parallel=False))

    done = [(parser.feed(piece), parser.is_done)[1] for piece in (f"<think>{NOW}", "</think>", NOW, "x")]

    assert done == [False, False, True, True]
    assert parser.finish() == []
