"""What people read is plain English: documents, help and messages have none of the phrases that read oddly."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_links import CODE, DOCUMENTS, ROOT

PHRASES = {
    r"(?<!there )(?:is|are|was|were) no (?!longer|more|reason|\w+ (?:in|of|for|at|on|to|left) )(?=\w)": "is not a",
    r"honou?r(?:s|ed)\b": "supports",
    r"likewise\b": "the same, also",
    r"refus(?:e|es|ed) (?:it|them) by name\b": "rejected with an error that names it",
    r"(?:is|are|was|were) tried with\b": "tested with",
    r"gives? up\b": "cancels, releases",
    r"whoever\b": "anyone who",
    r"the house\b": "code layout",
    r"(?:in which case|upon which|where(?:by|in)|there(?:of|in|upon)|hereby)\b": "two sentences",
    r"of (?:theirs|its own accord)\b": "their",
    r"(?:is|are) to be \w+ed\b": "must be",
    r"none of (?:its|their|our) business\b": "say what it does",
    r"be (?:it|they) (?:a|an|the)\b": "whether",
    r"save (?:for|that)\b": "except",
    r"simply\b|obviously\b|please note\b|in order to\b|utili[sz]\w+": "leave out, to, use",
}
"""Phrases as regular expressions, and what to write instead."""

RULES = [(re.compile(rf"\b(?:{phrase})", re.I), better) for phrase, better in PHRASES.items()]
PACKAGES = (
    "jan_ort",
    "backends/jan_ort_backends",
    "backends/jan_ort_onnxruntime",
    "conformance/jan_ort_conformance",
    "openapi/jan_ort_openapi",
)
TEXTS_OF_OTHERS = {
    "CHANGELOG.md",  # history
    "THIRD_PARTY.md",
    "models.py",  # generated of a document that is not ours
    "reference_tokenizer.py",  # the words of a model
}


def odd(text: str) -> list[str]:
    """Return the phrases of a text that read oddly, each with its line and what to write instead."""
    found = [
        (text.count("\n", 0, hit.start()) + 1, hit[0], better) for rule, better in RULES for hit in rule.finditer(text)
    ]
    return [f"line {line}: {phrase!r} → {better}" for line, phrase, better in found]


def prose(document: str) -> str:
    """Return a document without its code, line by line as it was."""
    return re.sub(r"`[^`\n]*`", "`…`", CODE.sub(lambda block: "\n" * block[0].count("\n"), document))


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module and their lines, but not its docstrings."""
    tree = ast.parse(source)
    told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
            yield node.lineno, node.value


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_document_reads_plainly(document: Path) -> None:
    text = "" if document.name in TEXTS_OF_OTHERS else document.read_text("utf-8")

    assert odd(prose(text)) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_help_and_messages_read_plainly(package: str) -> None:
    paths = [path for path in sorted((ROOT / package).rglob("*.py")) if path.name not in TEXTS_OF_OTHERS]
    strings = [(path, *each) for path in paths for each in messages(path.read_text("utf-8"))]

    found = [f"{path.relative_to(ROOT)}:{line} {phrase}" for path, line, text in strings for phrase in odd(text)]

    assert len(strings) > 20
    assert found == []


def test_what_reads_oddly_is_found() -> None:
    text = "It is no file.\n`is no code`\nThere is no file; it is no longer there, and whoever asks is told.\n"

    assert odd(prose(text)) == ["line 1: 'is no ' → is not a", "line 3: 'whoever' → anyone who"]
    assert [*messages('"""Is no text."""\nsay("is no file")\n')] == [(2, "is no file")]
