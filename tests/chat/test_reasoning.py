"""Answers split into thoughts and what follows, and the calls that are looked for in the latter only."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.chat.formats import read_template
from jan_ort.chat.reasoning import ThinkingParser, ThoughtStage, find_thoughts
from jan_ort.chat.reasoning.marked_thoughts import MARKED, THINK, MarkedThoughts
from jan_ort.chat.reasoning.thoughts import AnswerDelta
from jan_ort.chat.tools import Event, ReasoningDelta
from jan_ort.chat.tools.call_reader import MAX_SPACE
from tests.chat.template.recorded import FOLDER
from tests.chat.tools.parsing import HERMES, LLAMA3, call, content, joined, new_parser

NOW = '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'


def split(*pieces: str, is_thinking: bool = False, is_cut: bool = False) -> tuple[str, str]:
    """Return the thoughts and the answer of a text that came in these pieces; checks that the answer comes last."""
    stage = THINK.stage(is_thinking=is_thinking)
    found = [*(delta for piece in pieces for delta in stage.feed(piece)), *stage.finish(is_cut=is_cut)]
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
        ("[THINK]{{ m.reasoning }}[/THINK]", MARKED[1]),
        ("<|channel>thought\n{{ m.reasoning }}<channel|>", MARKED[6]),
        ("{{ m.content }}", None),
        ("{# <think> #}{{ think }}", None),
    ],
)
def test_a_template_that_writes_or_removes_thoughts_has_a_model_that_thinks(
    source: str, expected: MarkedThoughts | None
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
    assert not THINK.are_open_in(THINK.closed(prompt))


SPLITS = [
    ("<think>\nHm.\n</think>\n\nYes.", False, "Hm.", "Yes."),
    (" \n<think>Hm.</think>Yes.", False, "Hm.", "Yes."),
    ("<think></think><think>a</think>\n<think>b", False, "a\nb", ""),
    ("<think>a </thin</think></think>", False, "a </thin", "</think>"),
    ("<think>a <think>b</think>c", False, "a <think>b", "c"),
    ("<think>cut </thi", False, "cut </thi", ""),
    ("Hm.\n</think>\nYes.", True, "Hm.", "Yes."),
    ("<think>Hm.</think>Yes.", True, "<think>Hm.", "Yes."),
    ("never closed \n", True, "never closed", ""),
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


@pytest.mark.parametrize("thoughts", MARKED, ids=lambda each: each.opening)
def test_an_answer_that_ends_at_the_limit_never_has_a_marker_as_content(thoughts: MarkedThoughts) -> None:
    text = f"\n{thoughts.opening}\nHm.\n{thoughts.closing}\nYes."

    for at in range(len(text) + 1):
        stage = thoughts.stage(is_thinking=False)
        found = [*stage.feed(text[:at]), *stage.finish(is_cut=True)]

        answer = "".join(each.text for each in found if isinstance(each, AnswerDelta))
        assert "Yes.".startswith(answer.strip())


FRAGMENTS = ("<think>", "</think>", "<thi", "</", "<", ">", "think>", " ", "\n", "a", "é", " " * (MAX_SPACE - 1))
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=20).map("".join)


@given(text=texts, is_thinking=st.booleans(), cuts=st.lists(st.integers(0, 200)))
def test_any_text_is_split_alike_however_it_is_cut(text: str, is_thinking: bool, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]

    assert split(*pieces, is_thinking=is_thinking) == split(*text, is_thinking=is_thinking)
    assert split(text, is_thinking=is_thinking) == split(*text, is_thinking=is_thinking)


@given(text=texts, is_thinking=st.booleans())
def test_every_character_is_content_or_not_as_it_was_given_out(text: str, is_thinking: bool) -> None:
    def content_of(stage: ThoughtStage) -> str:
        return "".join(char for at, char in enumerate(text) if stage.is_content(at))

    whole, by_character = THINK.stage(is_thinking=is_thinking), THINK.stage(is_thinking=is_thinking)
    answer = [*whole.feed(text), *whole.finish()]
    for at, char in enumerate(text):
        by_character.feed(char)
        known = [(n, by_character.is_content(n)) for n in range(at + 1) if by_character.knows(n)]
        assert known == [(n, whole.is_content(n)) for n, _ in known]
    by_character.finish()

    given_out = "".join(each.text for each in answer if isinstance(each, AnswerDelta))
    assert content_of(whole) == content_of(by_character) == given_out


@pytest.mark.parametrize(("num_spaces", "is_thought"), [(MAX_SPACE, True), (MAX_SPACE + 1, False)])
def test_whitespace_is_held_back_up_to_a_limit(num_spaces: int, is_thought: bool) -> None:
    text = f"{' ' * num_spaces}<think>a</think>"

    assert split(text) == split(*text) == (("a", "") if is_thought else ("", text))


def test_a_thought_is_given_out_as_it_comes_and_an_answer_as_it_is() -> None:
    stage = THINK.stage(is_thinking=False)

    found = [stage.feed(piece) for piece in ("<think>a", " b<", "c</thi", "nk>", "\n", "Yes", " </", "think>")]

    assert found == [
        [ReasoningDelta("a")],
        [ReasoningDelta(" b")],
        [ReasoningDelta("<c")],
        [],
        [],
        [AnswerDelta("Yes")],
        [AnswerDelta(" </")],
        [AnswerDelta("think>")],
    ]


ANSWERS: list[tuple[str, bool, list[Event]]] = [
    (f"<think>I could {NOW}.</think>\nNo.", False, [ReasoningDelta(f"I could {NOW}."), *content("No.")]),
    (f"<think>{NOW}</think>\n{NOW}", False, [ReasoningDelta(NOW), *call(0, "now", "{}")]),
    (f"I could {NOW}\n</think>\n\n{NOW}", True, [ReasoningDelta(f"I could {NOW}"), *call(0, "now", "{}")]),
    (f"<think>{NOW} cut", False, [ReasoningDelta(f"{NOW} cut")]),
    (f"Look.\n{NOW}", False, [*content("Look."), *call(0, "now", "{}")]),
    ("<think><tool_call></think>Yes <tool", False, [ReasoningDelta("<tool_call>"), *content("Yes <tool")]),
]


@pytest.mark.parametrize(("text", "is_thinking", "expected"), ANSWERS)
def test_a_call_inside_a_thought_is_none(text: str, is_thinking: bool, expected: list[Event]) -> None:
    def parsed(*pieces: str) -> list[Event]:
        parser = ThinkingParser(THINK.stage(is_thinking=is_thinking), new_parser(HERMES))
        return joined([*(event for piece in pieces for event in parser.feed(piece)), *parser.finish()])

    cuts = [parsed(text[:at], text[at:]) for at in range(len(text) + 1)]

    assert cuts == [expected] * len(cuts)
    assert parsed(*text) == expected


def test_the_end_of_a_thought_begins_a_line() -> None:
    parser = ThinkingParser(THINK.stage(is_thinking=False), new_parser(LLAMA3))

    events = joined([*parser.feed('<think>Hm.</think>{"name": "now", "parameters": {}}'), *parser.finish()])

    assert events == [ReasoningDelta("Hm."), *call(0, "now", "{}")]


def test_an_answer_is_done_with_its_only_call_and_not_with_one_of_its_thoughts() -> None:
    parser = ThinkingParser(THINK.stage(is_thinking=False), new_parser(HERMES, is_parallel=False))

    done = [(parser.feed(piece), parser.is_done)[1] for piece in (f"<think>{NOW}", "</think>", NOW, "x")]

    assert done == [False, False, True, True]
    assert parser.finish() == []
