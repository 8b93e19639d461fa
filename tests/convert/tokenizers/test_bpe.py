"""SmolLM2's tokenizer equals llama.cpp's on texts of many languages and kinds (scripts/record_smollm2_tokens.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer

FIXTURE = Path(__file__).parents[2] / "fixtures" / "smollm2" / "tokens.json"
ROWS: list[dict[str, Any]] = json.loads(FIXTURE.read_text(encoding="utf-8"))
PRE_TOKENIZERS = list(ROWS[0]["ids"])

pytestmark = pytest.mark.weights


class RenamedPreTokenizer(GgufFile):
    """The file with another value of tokenizer.ggml.pre, as in the recording."""

    def __init__(self, path: Path, pre: str) -> None:
        super().__init__(path)
        self._pre = pre

    def string(self, key: str, default: str | None = None) -> str:
        return self._pre if key == "tokenizer.ggml.pre" else super().string(key, default)


def test_the_fixture_has_many_texts() -> None:
    assert len(ROWS) >= 300
    assert sum(row["round_trips"] for row in ROWS) >= len(ROWS) - 5


@pytest.mark.parametrize("pre", PRE_TOKENIZERS)
def test_token_ids_equal_llama_cpp(pre: str, smollm2_gguf: Path) -> None:
    tokenizer = GgufTokenizer(RenamedPreTokenizer(smollm2_gguf, pre)).build()

    differing = [row["text"] for row in ROWS if tokenizer.encode(row["text"]).ids != row["ids"][pre]]

    assert differing == []


def test_the_folders_tokenizer_is_the_same(smollm2_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(smollm2_folder / "tokenizer.json"))

    differing = [row["text"] for row in ROWS if tokenizer.encode(row["text"]).ids != row["ids"]["smollm"]]

    assert differing == []


def test_decoding_round_trips_where_llama_cpp_does(smollm2_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(smollm2_folder / "tokenizer.json"))
    rows = [row for row in ROWS if row["round_trips"]]

    decoded = [tokenizer.decode(row["ids"]["smollm"], skip_special_tokens=False) for row in rows]

    assert decoded == [row["text"] for row in rows]
