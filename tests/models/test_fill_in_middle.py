"""Which tokenizers have tokens for filling a gap, and what the prompt looks like then."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from jan_ort.models.fill_in_middle import SPELLINGS, FillInMiddle
from jan_ort.models.tokenizer import TextTokenizer


def tokenizer_with(path: Path, names: tuple[str, ...]) -> TextTokenizer:
    Tokenizer(WordLevel({"a": 0, "<unk>": 1}, unk_token="<unk>")).save(str(path / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.add_special_tokens(list(names))
    tokenizer.save(str(path / "tokenizer.json"))
    return TextTokenizer(path / "tokenizer.json")


@pytest.mark.parametrize("names", SPELLINGS, ids=lambda names: names[0])
def test_each_known_spelling_is_found(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert FillInMiddle.find(tokenizer_with(tmp_path, names)) == FillInMiddle(2, 3, 4)


@pytest.mark.parametrize("names", [(), ("<fim_prefix>", "<fim_suffix>")], ids=str)
def test_an_incomplete_set_is_none(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert FillInMiddle.find(tokenizer_with(tmp_path, names)) is None


@pytest.mark.parametrize(
    ("prompt", "bos_token_id", "expected"),
    [
        ([5, 6], None, [2, 5, 6, 3, 7, 4]),
        ([1, 5, 6], 1, [1, 2, 5, 6, 3, 7, 4]),
        ([5, 6], 1, [2, 5, 6, 3, 7, 4]),
    ],
)
def test_bos_stays_in_front(prompt: list[int], bos_token_id: int | None, expected: list[int]) -> None:
    marked = FillInMiddle(2, 3, 4).prompt(np.array(prompt), np.array([7]), bos_token_id)

    assert marked.tolist() == expected
