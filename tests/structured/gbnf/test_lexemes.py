"""Which pieces of a grammar are matched whole: as many as may be, and none that could match too much."""

from __future__ import annotations

import pytest

from jan_ort.structured.gbnf.grammar_checks import check
from jan_ort.structured.gbnf.grammar_parser import parse_gbnf
from jan_ort.structured.gbnf.lark_writer import gbnf_to_lark, pieces_of
from jan_ort.structured.gbnf.lexemes import Lexeme, walk_piece
from jan_ort.structured.gbnf.regular_rules import with_regular
from jan_ort.structured.gbnf.syntax_tree import Literal, Node, Reference, Repeat, children
from tests.structured.gbnf.grammars import GRAMMARS

SOURCES = {example.name: example.source for example in GRAMMARS}


def lexemes(source: str) -> list[Node]:
    pieces = pieces_of(with_regular(check(parse_gbnf(source))))
    return [part.body for piece in pieces.values() for part in walk_piece(piece) if isinstance(part, Lexeme)]


@pytest.mark.parametrize("name", ["chess", "list", "greedy would be wrong", "right recursion", "left recursion"])
def test_a_regular_grammar_is_one_piece(name: str) -> None:
    assert lexemes(SOURCES[name]) == [Reference("root")]


def test_strings_and_numbers_of_json_are_matched_whole() -> None:
    found = lexemes(SOURCES["json"])

    names = {
        reference.name for node in found for reference in (node, *children(node)) if isinstance(reference, Reference)
    }
    assert {"string", "number"} <= names
    assert len(found) < 20


def test_blanks_that_hide_a_line_end_are_cut() -> None:
    found = lexemes(SOURCES["arithmetic"])

    assert Literal("\n") in found
    assert not any(isinstance(node, Repeat) and node.minimum == 0 for node in found)


def test_a_longer_literal_is_cut_where_it_hides_a_shorter_one() -> None:
    assert Literal("ab") not in lexemes('root ::= "(" root ")" | "ab" "x" | [a] "b" "y"')
    assert Literal("ab") in lexemes('root ::= "(" root ")" | "ab" root "x" | "c" root "y" | "d"')


def test_recursion_at_the_edge_becomes_repetition() -> None:
    rules = with_regular(check(parse_gbnf('root ::= "a" root | "b"')))

    assert rules.bodies["root"] == with_regular(check(parse_gbnf('root ::= "a"* "b"'))).bodies["root"]
    assert "root" in rules.regular


def test_the_grammar_for_the_matcher_is_the_same_every_time() -> None:
    assert gbnf_to_lark(SOURCES["json"]) == gbnf_to_lark(SOURCES["json"])
