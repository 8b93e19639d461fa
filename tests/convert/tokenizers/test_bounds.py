"""What is known of a text before it is tokenized holds for tokenizers of GGUF files (models/token_bounds.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.models.tokenizer import TextTokenizer, TextTooLong
from tests.convert.tokenizers.recorded import FOLDER, texts

KINDS = ["bytes", "characters", "sentencepiece", "unigram", "wordpiece"]
LONG = " ".join(texts()) * 4


def opened(kind: str, folder: Path) -> TextTokenizer:
    GgufTokenizer(GgufFile(FOLDER / f"{kind}.gguf")).build().save(str(folder / "tokenizer.json"))
    return TextTokenizer(folder / "tokenizer.json")


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_as_many_tokens_as_are_allowed_fits(kind: str, tmp_path: Path) -> None:
    tokenizer = opened(kind, tmp_path)

    for text in (*texts(), LONG):
        num_tokens = len(tokenizer.encode_part(text))
        tokenizer.check_unread(text, num_tokens)
        tokenizer.check_fits(text, num_tokens)


@pytest.mark.parametrize("kind", ["bytes", "characters", "sentencepiece"])
def test_a_long_text_is_refused_unread(kind: str, tmp_path: Path) -> None:
    with pytest.raises(TextTooLong):
        opened(kind, tmp_path).check_unread(LONG, 1000)


def test_a_long_text_is_refused_by_its_first_pieces(tmp_path: Path) -> None:
    with pytest.raises(TextTooLong) as refused:
        opened("wordpiece", tmp_path).check_fits(LONG, 1000)

    assert refused.value.at_least < len(LONG) / 4
