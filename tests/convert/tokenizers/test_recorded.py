"""Each kind of tokenizer, and each way to split a text, equals llama.cpp (scripts/record_tokenizers.py)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.tokenizers.splitting import SPLITTINGS
from tests.convert.tokenizers.recorded import FOLDER, RECORDED, digest, texts, with_keys

CONTENT: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
NAMES = list(CONTENT["ids"])


@cache
def recorded(name: str) -> dict[str, Any]:
    found: dict[str, Any] = CONTENT["ids"][name]
    return found


def opened(name: str, folder: Path) -> GgufTokenizer:
    """Return the tokenizer of a vocabulary, with the keys that its name stands for."""
    file = FOLDER / f"{name.split('/')[0]}.gguf"
    return GgufTokenizer(GgufFile(with_keys(file, folder / "changed.gguf", recorded(name)["keys"])))


def test_every_name_of_a_splitting_is_recorded() -> None:
    assert {name.split("/")[1] for name in NAMES if name.startswith(("bytes/", "characters/"))} == set(SPLITTINGS)
    assert len(texts()) >= 500


@pytest.mark.parametrize("name", NAMES)
def test_token_ids_equal_llama_cpp(name: str, tmp_path: Path) -> None:
    tokenizer = opened(name, tmp_path).build()
    expected = CONTENT["rows"][recorded(name)["row"]]

    found = [digest(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts()]

    assert [text for at, text in enumerate(texts()) if found[at] != expected[4 * at : 4 * at + 4]] == []


@pytest.mark.parametrize("name", NAMES)
def test_special_tokens_equal_llama_cpp(name: str, tmp_path: Path) -> None:
    tokenizer = opened(name, tmp_path)
    special, expected = tokenizer.vocabulary.special, recorded(name)

    assert special.eos == (None if expected["eos"] < 0 else expected["eos"])
    assert special.bos == expected["bos"]
    assert special.add_bos == expected["adds_bos"]
    assert sorted(special.end_ids) == expected["ends"]
    assert tokenizer.build().encode("").ids == expected["of_nothing"]
