"""GBNF text to its tree, and what is refused, with its place."""

from __future__ import annotations

import pytest

from jan_ort.structured.gbnf.grammar_checks import check
from jan_ort.structured.gbnf.grammar_parser import parse_gbnf
from jan_ort.structured.gbnf.syntax_tree import EMPTY, Characters, Choice, Literal, Node, Reference, Repeat, Sequence
from jan_ort.structured.grammar_errors import GrammarError
from tests.structured.gbnf.grammars import BROKEN_GRAMMARS

A, B = Literal("a"), Literal("b")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('"a" "b" | ""', Choice((Sequence((A, B)), EMPTY))),
        ('("a" | "b")*', Repeat(Choice((A, B)), 0, None)),
        ('"a"+ "b"?', Sequence((Repeat(A, 1, None), Repeat(B, 0, 1)))),
        ('"a"{2} "b"{2,}', Sequence((Repeat(A, 2, 2), Repeat(B, 2, None)))),
        ('"a"{0} "b"{1}', B),
        ("[a-c] [^\\x00-`d-\\U0010FFFF]", Sequence((Characters(((97, 99),)), Characters(((97, 99),))))),
        ("[cab-]", Characters(((45, 45), (97, 99)))),
        ("root", Reference("root")),
    ],
)
def test_a_rule_becomes_its_tree(body: str, expected: Node) -> None:
    grammar = parse_gbnf(f"root ::= {body}")

    assert grammar.rules == {"root": expected}


@pytest.mark.parametrize(
    ("source", "line", "column", "message"),
    [case[1:] for case in BROKEN_GRAMMARS],
    ids=[case[0] for case in BROKEN_GRAMMARS],
)
def test_a_broken_grammar_is_refused_with_its_place(source: str, line: int, column: int, message: str) -> None:
    with pytest.raises(GrammarError) as refused:
        check(parse_gbnf(source))

    assert (refused.value.line, refused.value.column) == (line, column)
    assert message in str(refused.value)
    assert str(refused.value) == f"line {line}, column {column}: {refused.value.problem}; {refused.value.remedy}"
