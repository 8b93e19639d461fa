"""Compiled grammars against an independent recogniser: given texts, random texts, random walks, random grammars."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jan_ort.structured.gbnf.grammar_checks import check
from jan_ort.structured.gbnf.grammar_parser import parse_gbnf
from tests.structured.gbnf.gbnf_twin import Recogniser
from tests.structured.gbnf.grammars import GRAMMARS, Example
from tests.structured.walking import Model, read, walk

each_grammar = pytest.mark.parametrize("example", GRAMMARS, ids=[example.name for example in GRAMMARS])


@each_grammar
def test_sentences_are_allowed_and_other_texts_are_not(example: Example, model: Model) -> None:
    grammar = model.compiler.gbnf(example.source)

    for text in example.sentences:
        constraint = grammar.start()
        assert read(model, constraint, text), text
        assert constraint.is_accepting(), text
    for text in example.others:
        constraint = grammar.start()
        assert not (read(model, constraint, text) and constraint.is_accepting()), text


@each_grammar
def test_the_recogniser_agrees_with_the_examples(example: Example) -> None:
    tree = parse_gbnf(example.source)

    assert [text for text in example.sentences if not Recogniser(tree, text).is_sentence] == []
    assert [text for text in example.others if Recogniser(tree, text).is_sentence] == []


@each_grammar
def test_every_walk_is_a_beginning_and_every_end_a_sentence(example: Example, model: Model) -> None:
    grammar = model.compiler.gbnf(example.source)
    tree = parse_gbnf(example.source)
    rng = random.Random(example.name)

    for _ in range(5):
        taken = walk(model, grammar, rng, 12)
        text = b"".join(map(model.tokenizer.token_bytes, taken.token_ids)).decode("utf-8", "ignore")
        recogniser = Recogniser(tree, text)
        assert recogniser.is_beginning, text
        if text == taken.text:
            assert recogniser.is_sentence == taken.constraint.is_accepting(), text


@each_grammar
def test_a_mask_holds_exactly_the_tokens_that_go_on(example: Example, model: Model) -> None:
    grammar = model.compiler.gbnf(example.source)
    tree = parse_gbnf(example.source)
    rng = random.Random(example.name)
    start = walk(model, grammar, rng, rng.randint(0, 4))
    if start.constraint.is_complete or "�" in start.text:
        start = walk(model, grammar, rng, 0)

    allowed = start.constraint.allowed()

    for token_id in range(512):
        token = model.tokenizer.token_bytes(token_id)
        if token.isascii() and token:
            expected = Recogniser(tree, start.text + token.decode()).is_beginning
            assert allowed[token_id] == expected, (start.text, token)


_LITERALS = st.sampled_from(['"a"', '"b"', '"ab"', '"ba"', '"abc"', '""', "[ab]", "[^a]", ".", "root", "x", "y"])
_OPERATORS = st.sampled_from(["", "*", "+", "?", "{2}", "{1,3}", "{0,2}", "{2,}"])


def _larger(smaller: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    groups = st.builds(
        lambda options, operator: f"({' | '.join(options)}){operator}",
        st.lists(smaller, min_size=1, max_size=3),
        _OPERATORS,
    )
    return groups | st.lists(smaller, min_size=2, max_size=3).map(" ".join)


_BODIES = st.recursive(_LITERALS, _larger, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(root=_BODIES, x=_BODIES, y=_BODIES, text=st.text("abc", max_size=7))
def test_any_grammar_matches_as_the_recogniser_does(root: str, x: str, y: str, text: str, model: Model) -> None:
    # An alternative without references makes sure that every rule can end.
    source = f'root ::= {root} | "c"\nx ::= {x} | "b"\ny ::= {y} | "ac"'
    tree = parse_gbnf(source)
    check(tree)
    expected = [Recogniser(tree, text[:length]) for length in range(len(text) + 1)]

    constraint = model.compiler.gbnf(source).start()
    for length, byte in enumerate(text.encode()):
        assert constraint.is_accepting() == expected[length].is_sentence
        assert constraint.allowed()[byte] == expected[length + 1].is_beginning  # the ids below 256 are the bytes
        if not expected[length + 1].is_beginning:
            return
        constraint.accept(byte)
    assert constraint.is_accepting() == expected[-1].is_sentence
