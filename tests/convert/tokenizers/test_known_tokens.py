"""Tokens that are known by their text, as llama.cpp 0.3.36 has them: which end a generation, and which are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers import GgufTokenizer
from jan_ort.convert.tokenizers.known_tokens import CONTROL, NORMAL, USER_DEFINED
from tests.convert.tiny_llama import TOKENS, TinyLlama


def read(folder: Path, texts: list[str], **keys: Any) -> GgufTokenizer:
    """Return a vocabulary with tokens of these texts, none of which the file calls special; ``<eos>`` stands at 260."""
    tokens = [*TOKENS[:260], "<eos>", *texts]
    metadata = {"tokens": tokens, "token_type": [1] * len(tokens), "eos_token_id": 260, "merges": ["t h"], **keys}
    named = {f"tokenizer.ggml.{key}": value for key, value in metadata.items()}
    return GgufTokenizer(GgufFile(TinyLlama(metadata=named).write(folder / "tiny.gguf")))


@pytest.mark.parametrize(
    ("texts", "ends"),
    [
        (["<|eot_id|>", "<|eom_id|>", "other"], ["<|eot_id|>", "<|eom_id|>", "</s>"]),
        (["<|return|>", "<|call|>", "<|end|>"], ["<|return|>", "<|call|>", "</s>"]),
        (["<|return|>", "<|end|>"], ["<|return|>", "<|end|>", "</s>"]),
        (["<|flush|>", "<|calls|>", "<|end|>"], ["<|flush|>", "<|calls|>", "</s>"]),
        (["<turn|>", "<|tool_response>"], ["<turn|>", "<|tool_response>"]),
        (
            ["<|fim_prefix|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"],
            ["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "</s>"],
        ),
    ],
)
def test_what_ends_a_generation(texts: list[str], ends: list[str], tmp_path: Path) -> None:
    vocabulary = read(tmp_path, texts).vocabulary

    assert sorted(vocabulary.special.end_ids) == sorted(vocabulary.ids[each] for each in ["<eos>", *ends])


def test_what_is_known_is_found_in_a_text(tmp_path: Path) -> None:
    tokenizer = read(tmp_path, ["<|im_end|>", "<fim_prefix>", "<|channel|>", "other"])
    vocabulary = tokenizer.vocabulary

    kinds = [vocabulary.types[vocabulary.ids[each]] for each in ("<|im_end|>", "<fim_prefix>", "<|channel|>", "other")]

    assert kinds == [CONTROL, CONTROL, USER_DEFINED, NORMAL]
    assert tokenizer.build().encode("a<fim_prefix><|channel|>").tokens == ["a", "<fim_prefix>", "<|channel|>"]


def test_a_token_that_the_file_names_takes_the_place_of_known_ones(tmp_path: Path) -> None:
    tokenizer = read(tmp_path, ["<fim_pad>", "other"], fim_pad_token_id=262)

    assert tokenizer.vocabulary.types[261:] == [NORMAL, NORMAL]
    assert 262 in tokenizer.vocabulary.special.end_ids
    assert 261 not in tokenizer.vocabulary.special.end_ids
