"""A tokenizer kind is one class in the list: it is chosen by the file, and what surrounds it is common to all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from jan_ort.convert import convert_gguf, tokenizers
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_llama import TOKENS, TinyLlama


class Letters:
    """A toy: every character that is a token is one."""

    model = "letters"
    title = "one letter, one token"

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        return SpecialDefaults(add_bos=True)

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        vocab = {token: token_id for token_id, token in enumerate(vocabulary.tokens)}
        tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="!"))
        tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        tokenizer.decoder = decoders.Fuse()
        return tokenizer


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers, "KINDS", (*tokenizers.KINDS, Letters()))


def convert(folder: Path, **keys: object) -> Tokenizer:
    metadata = {f"tokenizer.ggml.{key}": value for key, value in keys.items()}
    target = folder / "target"
    target.mkdir()
    convert_gguf(TinyLlama(metadata=metadata).write(folder / "tiny.gguf"), target)
    return Tokenizer.from_file(str(target / "tokenizer.json"))


def test_a_file_of_a_further_kind_converts_with_its_tokenizer(tmp_path: Path) -> None:
    tokenizer = convert(tmp_path, model="letters", merges=None, pre=None)

    assert tokenizer.encode("the</s>h").tokens == ["<s>", "t", "h", "e", "</s>", "h"]
    assert tokenizer.decode(tokenizer.encode("the").ids) == "the"


def test_the_kind_says_whether_a_text_begins_with_bos_where_the_file_does_not(tmp_path: Path) -> None:
    tokenizer = convert(tmp_path, model="letters", add_bos_token=False)

    config = json.loads((tmp_path / "target" / "tokenizer_config.json").read_text())

    assert config["add_bos_token"] is False
    assert tokenizer.encode("the").tokens == ["t", "h", "e"]


def test_other_kinds_are_refused_with_the_list_of_those_that_are_read(tmp_path: Path) -> None:
    known = r"gpt2 \(byte-level BPE\), .*, letters \(one letter, one token\); use an ONNX repository of the model"

    with pytest.raises(ConversionError, match=rf"tokenizer model 'rwkv' is not supported; supported: {known}"):
        convert(tmp_path, model="rwkv")


def test_the_byte_level_kind_is_still_chosen_by_its_name(tmp_path: Path) -> None:
    tokenizer = convert(tmp_path, model="gpt2")

    assert tokenizer.encode("the").ids == [TOKENS.index("the")]
