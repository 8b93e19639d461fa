"""Every vocabulary of llama.cpp's own, and every way to split a text on a real one, has its ids on all texts."""

from __future__ import annotations

import pytest

from tests.oracle.tokenizers import compare, names_alike, renamed
from tests.oracle.vocabularies import vocabularies

ODD_MARKS = {"nomic-bert-moe": 8}
"""Texts of random characters, with marks in no canonical order, or behind what is no letter (docs/models.md)."""


@pytest.mark.parametrize("name", list(vocabularies()))
def test_token_ids_equal_llama_cpp(name: str) -> None:
    result = compare(vocabularies()[name])

    assert result.num_texts >= 330
    assert result.others == []
    assert len(result.differing) <= ODD_MARKS.get(name, 0), result.differing


@pytest.mark.parametrize("pre", [names[0] for names in names_alike()])
def test_a_splitting_equals_llama_cpp(pre: str) -> None:
    result = compare(*renamed(pre))

    assert result.differing == []
    assert result.others == []
