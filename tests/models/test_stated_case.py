"""The case of texts follows the files that transformers and sentence-transformers follow; ids of transformers 5.24."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from jan_ort.models.tokenizer import TextTokenizer

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "Hello", "world", "paris", "Paris", "é", "e")
LOWER, CASED, ACCENTS = [2, 5, 8, 11, 3], [2, 6, 9, 10, 3], [2, 5, 8, 10, 3]


def write(folder: Path, *, lowercase: bool, **tokenizer_config: Any) -> Path:
    tokenizer = Tokenizer(models.WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"} | tokenizer_config))
    return folder


def encode(folder: Path) -> list[int]:
    tokenizer = TextTokenizer(folder / "tokenizer.json", add_special_tokens=True)
    token_ids: list[int] = tokenizer.encode("Hello Paris é").tolist()
    return token_ids


@pytest.mark.parametrize(
    ("lowercase", "stated", "expected"),
    [
        (False, {"do_lower_case": True}, LOWER),
        (True, {"do_lower_case": False}, CASED),
        (True, {"strip_accents": False}, ACCENTS),
        (True, {"strip_accents": None, "do_lower_case": True}, LOWER),
        (False, {"do_lower_case": True, "tokenizer_class": "DistilBertTokenizer"}, LOWER),
        (True, {"do_lower_case": False, "tokenizer_class": "MPNetTokenizer"}, CASED),
        (False, {"do_lower_case": True, "tokenizer_class": "PreTrainedTokenizerFast"}, CASED),
        (True, {"do_lower_case": False, "tokenizer_class": "TokenizersBackend"}, LOWER),
    ],
)
def test_bert_s_settings_go_before_tokenizer_json_s(
    tmp_path: Path, lowercase: bool, stated: dict[str, Any], expected: list[int]
) -> None:
    folder = write(tmp_path, lowercase=lowercase, **stated)

    assert encode(folder) == expected


@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta"])
def test_sentence_transformers_lowers_before_the_tokenizer(tmp_path: Path, kind: str) -> None:
    folder = write(tmp_path, lowercase=False, do_lower_case=False)
    (folder / f"sentence_{kind}_config.json").write_text(json.dumps({"do_lower_case": True}))

    assert encode(folder) == ACCENTS


def test_a_tokenizer_without_a_normalizer_is_lowered_too(tmp_path: Path) -> None:
    folder = write(tmp_path, lowercase=False)
    described = json.loads((folder / "tokenizer.json").read_text()) | {"normalizer": None}
    (folder / "tokenizer.json").write_text(json.dumps(described))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": True}))

    assert encode(folder) == ACCENTS
