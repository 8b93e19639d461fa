"""What a damaged file says of characters is refused; what it says of tokens that no text has changes nothing."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tokenizers.recorded import FOLDER

UNIGRAM = FOLDER / "unigram.gguf"
TABLE = "tokenizer.ggml.precompiled_charsmap"


class WithSeparator(GgufFile):
    """The file with a token that stands between the texts of a pair, as XLM-RoBERTa's have it."""

    def __init__(self) -> None:
        super().__init__(UNIGRAM)
        self._fields = {**self._fields, "tokenizer.ggml.seperator_token_id": 2}


def test_a_pair_has_the_marks_that_the_model_was_trained_with() -> None:
    encoded = GgufTokenizer(WithSeparator()).build().encode("a", "b")

    assert encoded.tokens == ["<s>", "▁a", "</s>", "</s>", "▁b", "</s>"]


class Changed(GgufFile):
    """The file with another table."""

    def __init__(self, table: bytes) -> None:
        super().__init__(UNIGRAM)
        self._table = table

    def raw_bytes(self, key: str) -> bytes:
        return self._table


@pytest.mark.parametrize(
    "table",
    [
        b"",
        b"\x04",
        struct.pack("<I", 2**31) + b"\x00" * 8,
        struct.pack("<II", 4, 0) + b"x" * 1000,
        struct.pack("<I", 3) + b"\x00" * 8,
        struct.pack("<I", 1024) + b"\xff" * 1024 + b"a\x00",
    ],
)
def test_a_damaged_table_is_refused(table: bytes) -> None:
    with pytest.raises(ConversionError, match=f"metadata key '{TABLE}' (is not a table|cannot be read)"):
        GgufTokenizer(Changed(table)).build()


def test_tokens_that_fill_the_vocabulary_up_are_in_no_text() -> None:
    tokenizer = GgufTokenizer(GgufFile(UNIGRAM))
    filling = [tokenizer.vocabulary.ids[token] for token in ("[PAD1]", "[PAD2]")]

    found: list[Any] = tokenizer.build().encode("a [PAD1] b[PAD2]", add_special_tokens=False).ids

    assert not set(filling) & set(found)
    assert len(found) > 4


def test_a_text_gets_its_first_and_last_token(tmp_path: Path) -> None:
    tokens = GgufTokenizer(GgufFile(UNIGRAM)).build().encode("the").tokens

    assert (tokens[0], tokens[-1]) == ("<s>", "</s>")
