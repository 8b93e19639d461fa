"""GBNF grammars that the server must follow, with texts that are sentences and texts that are not; and broken ones."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """A grammar, sentences of it, and texts that are none."""

    name: str
    source: str
    sentences: tuple[str, ...]
    others: tuple[str, ...]


_JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"""
_ARITHMETIC = r"""
root  ::= (expr "=" ws term "\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \t\n]*
"""
_LIST = 'root ::= item+\nitem ::= "- " [^\\r\\n\\x0b\\x0c\\x85\\u2028\\u2029]+ "\\n"'
_CHESS = r"""
root ::= (
    # a numbered first move
    "1. " move " " move "\n"
    ([1-9] [0-9]? ". " move " " move "\n")*
)
move ::= (pawn | nonpawn | castle) [+#]?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
"""
_STATEMENTS = r"""
root ::= statement+
statement ::= "if " name " then " statement | name " = " name ";"
name ::= [a-z]+
"""

GRAMMARS: list[Example] = [
    Example("literal", 'root ::= "yes"', ("yes",), ("", "no", "yess")),
    Example("alternatives", 'root ::= "yes" | "no"', ("yes", "no"), ("", "y", "yesno")),
    Example("empty alternative", 'root ::= "a" |', ("", "a"), ("aa",)),
    Example("empty text", 'root ::= ""', ("",), ("a",)),
    Example("empty text, repeated", 'root ::= ""* "a"', ("a",), ("",)),
    Example("optional, repeated", 'root ::= ( "a"? )* "b"', ("b", "aab"), ("", "a")),
    Example("character class", "root ::= [a-cx]+", ("a", "abcx"), ("", "d", "a-")),
    Example("negated class", "root ::= [^a-c]{2}", ("xy", "é\n"), ("ax", "x")),
    Example("class with escapes", r'root ::= [\[\]\-\\"]+', ("[]", '-\\"'), ("", "a")),
    Example("class with a last dash", "root ::= [a-]+", ("-a-",), ("b",)),
    Example("escapes", r'root ::= "\x41\u00e9\U0001F600\t\n\r\"\\\[\]"', ('Aé😀\t\n\r"\\[]',), ("A",)),
    Example("any character", "root ::= . .", ("ab", "\n😀"), ("", "a", "abc")),
    Example("exact count", "root ::= [0-9]{3}", ("123",), ("12", "1234")),
    Example("least count", "root ::= [0-9]{2,}", ("12", "123456"), ("1",)),
    Example("range of counts", 'root ::= ("ab"){1,3}', ("ab", "ababab"), ("", "aba", "abababab")),
    Example("count with blanks", 'root ::= "a" { 1 , 2 }', ("a", "aa"), ("", "aaa")),
    Example("operators in a row", 'root ::= "a"+?', ("", "aaa"), ("b",)),
    Example("greedy would be wrong", 'root ::= [a-z]* "a"', ("a", "ba", "baaa"), ("", "ab")),
    Example("greedy in a cycle", 'root ::= "(" [a-z]* "a" root? ")"', ("(a)", "(ba(aa))"), ("(b)", "()")),
    Example("literals that overlap", 'root ::= "(" root ")" | "ab" "x" | [a] "b" "y"', ("abx", "(aby)"), ("ab", "abz")),
    Example("comments and blank lines", '# c\n\nroot ::= x # "no"\n\n# d\nx ::= "a"\n', ("a",), ("no",)),
    Example("lines inside a group", 'root ::= (\n "a" # one\n | "b"\n) "c"', ("ac", "bc"), ("a", "c")),
    Example("line after a bar", 'root ::= "a" |\n  "b"', ("a", "b"), ("ab",)),
    Example("names", 'root ::= Rule-1 rule_2\nRule-1 ::= "a"\nrule_2 ::= "b"', ("ab",), ("a",)),
    Example("later definition wins", 'root ::= x\nx ::= "a"\nx ::= "b"', ("b",), ("a",)),
    Example("left recursion", 'root ::= root "+" [0-9] | [0-9]', ("1", "1+2+3"), ("", "1+", "+1")),
    Example("right recursion", "root ::= [a-z] root | [0-9]", ("1", "abc1"), ("", "abc", "1a")),
    Example("recursion in the middle", 'root ::= "a" root "b" | "c"', ("c", "aacbb"), ("acbb", "aacb")),
    Example("palindromes", 'root ::= "a" root "a" | "b" root "b" | "a"? | "b"', ("", "aba", "abba"), ("ab", "aab")),
    Example("mutual recursion", 'root ::= "a" x?\nx ::= "b" root?', ("a", "ab", "aba"), ("b", "aa")),
    Example("trivial cycle", 'root ::= root | x\nx ::= root | "a"', ("a",), ("", "aa")),
    Example("ambiguity", 'root ::= root root | "a"', ("a", "aaaa"), ("", "b")),
    Example("recursive blanks", 'root ::= "(" ws root? ws ")"\nws ::= ([ \\n] ws)?', ("()", "( \n( ))"), ("( ", "x")),
    Example("unicode", 'root ::= [ぁ-ん]+ "。"', ("ひらがな。",), ("カ。", "ひ")),
    Example("json", _JSON, ('{"a": [1, -2.5e3, "x\\u00e9"]}', "{}"), ("[]", '{"a" 1}', '{"a":01}')),
    Example("arithmetic", _ARITHMETIC, ("x=1\n", "(a +2)*b=c\n\n", "a=b\nc=d\n"), ("x=1", "x=\n", "1x=2\n")),
    Example("list", _LIST, ("- a\n- b c\n",), ("- a", "a\n", "- \n")),
    Example("chess", _CHESS, ("1. e4 e5\n2. Nf3 O-O-O\n", "1. exd8=Q+ Kxe7#\n"), ("1. e4\n", "2. e4 e5\n")),
    Example(
        "statements",
        _STATEMENTS,
        ("a = b;", "if a then b = c;x = y;", "iff = b;"),
        ("a = ;", "if a = b;", "if a thenb = c;"),
    ),
    Example("keyword or name", 'root ::= "if" | [a-z]+ "!" | "(" root ")"', ("if", "(iff!)", "if!"), ("iff", "(if")),
]

BROKEN_GRAMMARS: list[tuple[str, str, int, int, str]] = [
    ("nothing", "", 1, 1, "no rule named root"),
    ("no root", 'x ::= "a"', 1, 1, "no rule named root"),
    ("undefined rule", 'root ::= "a"\nx ::= "b" yy', 2, 11, "'yy' is not defined"),
    ("no ::=", 'root = "a"', 1, 6, "where ::= should follow"),
    ("no name", '"a"', 1, 1, "where a rule's name should start"),
    ("literal without end", 'root ::= "a', 1, 10, "a literal that does not end"),
    ("class without end", "root ::= x\nx ::= [a-z", 2, 7, "a character class that does not end"),
    ("group without end", 'root ::= ("a" | (\n"b")', 2, 5, "close the '(' of line 1, column 10"),
    ("closing too much", 'root ::= "a")', 1, 13, "should end"),
    ("unknown escape", r'root ::= "a\q"', 1, 12, r"the escape \q"),
    ("short hexadecimal", r'root ::= "\x4"', 1, 11, r"\x without its 2"),
    ("beyond unicode", r"root ::= [\U00110000]", 1, 11, "not a character"),
    ("half a pair", r'root ::= "\ud83d"', 1, 11, "not a character"),
    ("reversed range", "root ::= [z-a]", 1, 11, "from 'z' down to 'a'"),
    ("empty class", "root ::= []", 1, 10, "matches nothing"),
    ("repeats nothing", "root ::= *", 1, 10, "repeats nothing"),
    ("repeats nothing in a group", 'root ::= "a" (+)', 1, 15, "repeats nothing"),
    ("count without a number", 'root ::= "a"{,3}', 1, 14, "needs a number"),
    ("count not closed", 'root ::= "a"{2', 1, 15, "inside the braces"),
    ("counts reversed", 'root ::= "a"{3,2}', 1, 14, "at least 3 and at most 2"),
    ("count too large", 'root ::= "a"{1,1000000000}', 1, 13, "1000000000 repetitions"),
    ("counts multiplied", "root ::= ((([a]{1000}){1000}){1000})", 1, 23, "1000000 repetitions"),
    ("endless rule", 'root ::= "a" | x\nx ::= "b" x', 2, 1, "'x' matches no text"),
    ("token reference", "root ::= <think> .*", 1, 10, "a reference to a token"),
    ("negated token reference", "root ::= !<[7]>", 1, 10, "a reference to a token"),
    ("two rules on a line", 'root ::= "a" x ::= "b"', 1, 16, "where the rule 'root' should end"),
    ("nested too deep", "root ::= " + "(" * 65 + '"a"' + ")" * 65, 1, 74, "parentheses deeper than 64"),
    ("too long", "root ::= " + '"a" ' * 70_000, 1, 1, "characters"),
    ("too many rules", 'root ::= "a"\n' + "".join(f'r{n} ::= "a"\n' for n in range(2000)), 1, 1, "2001 rules"),
]
"""Source, the line and column that the error names, and part of its message."""
