"""Tokenizing in pieces, where the length of a text says nothing: the pieces have the tokens of the whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers

from jan_ort.models import token_bounds
from jan_ort.models.tokenizer import TextTokenizer, TextTooLong
from tests.models.test_token_bounds import BOUNDED, bounds_of, texts


def word_piece(normalizer: Any = None, pre_tokenizer: Any = None, added: Sequence[AddedToken] = ()) -> Tokenizer:
    vocab = {"[UNK]": 0, "a": 1, "##a": 2, "aa": 3, "b": 4, ",": 5, ".": 6, "e": 7, "[": 8, "]": 9, "##e": 10}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=5))
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer or pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(added))
    return tokenizer


MASK = AddedToken("[MASK]", normalized=False, lstrip=True)
CUTTABLE: dict[str, Tokenizer] = {
    "bert": word_piece(normalizers.BertNormalizer(), added=[MASK]),
    "bert as it is": word_piece(),
    "nfkc": word_piece(normalizers.Sequence([normalizers.NFKC(), normalizers.StripAccents(), normalizers.Lowercase()])),
    "whitespace": word_piece(
        None, pre_tokenizers.Whitespace(), added=[AddedToken("aa", normalized=False, single_word=True)]
    ),
    "split": word_piece(None, pre_tokenizers.WhitespaceSplit(), added=[AddedToken("b", normalized=False, rstrip=True)]),
}


@pytest.mark.parametrize("name", CUTTABLE)
@settings(max_examples=80, deadline=None)
@given(
    text=st.one_of(
        texts, st.lists(st.sampled_from(["a", "aa", " ", ",", "[MASK]", "b", "é", "\u0301", "中"])).map("".join)
    )
)
def test_the_pieces_of_a_text_have_its_tokens(name: str, text: str) -> None:
    tokenizer = CUTTABLE[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_bounds, "PIECE", 3)
        pieces = list(bounds_of(tokenizer).pieces(text))

    assert "".join(pieces) == text
    ids = [tokenizer.encode(piece, add_special_tokens=False).ids for piece in pieces]
    assert list(itertools.chain(*ids)) == tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", CUTTABLE)
def test_a_long_text_is_cut(name: str) -> None:
    pieces = list(bounds_of(CUTTABLE[name]).pieces("aa b, " * 20_000))

    assert max(map(len, pieces)) <= token_bounds.PIECE + 8


@pytest.mark.parametrize(
    "tokenizer",
    [
        *BOUNDED.values(),
        word_piece(added=[AddedToken("a b", normalized=False)]),
        word_piece(added=[AddedToken("a,b", normalized=False)]),
        word_piece(added=[AddedToken("ab", normalized=True)]),
        word_piece(normalizers.Strip()),
        word_piece(None, pre_tokenizers.Punctuation()),
    ],
)
def test_what_might_have_other_tokens_in_pieces_is_not_cut(tokenizer: Tokenizer) -> None:
    text = "aa b, " * 20_000

    assert list(bounds_of(tokenizer).pieces(text)) == [text]


def saved(tokenizer: Tokenizer, folder: Path) -> TextTokenizer:
    tokenizer.save(str(folder / "tokenizer.json"))
    return TextTokenizer(folder / "tokenizer.json")


def test_tokenizing_stops_at_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = saved(CUTTABLE["bert"], tmp_path)
    read: list[int] = []
    encode_part = tokenizer.encode_part
    monkeypatch.setattr(tokenizer, "encode_part", lambda text: read.append(len(text)) or encode_part(text))

    with pytest.raises(TextTooLong, match=r"at least \d+ tokens, but only 512 are allowed"):
        tokenizer.check_fits("a, " * 1_000_000, 512)

    assert sum(read) < 20_000


@pytest.mark.parametrize("text", ["\x01" * 100_000, "x" * 100_000, "a" * 100_000, "", "a, " * 200])
def test_what_fits_is_not_refused(text: str, tmp_path: Path) -> None:
    tokenizer = saved(CUTTABLE["bert"], tmp_path)

    tokenizer.check_unread(text, 512)
    tokenizer.check_fits(text, 512)

    assert len(tokenizer.encode(text)) <= 512
