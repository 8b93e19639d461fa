"""The tokenizer: bytes of tokens against the library's own decoding, special tokens, BOS, ids out of range."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.models.byte_alphabet import byte_alphabet
from jan_ort.models.tokenizer import TextTokenizer, TokenIdError
from jan_ort_backends.reference_tokenizer import BOS_TOKEN_ID, FIRST_SPECIAL_ID, FOLDER, VOCAB_SIZE

PATH = FOLDER / "tokenizer.json"
LIBRARY = Tokenizer.from_file(str(PATH))
OURS = TextTokenizer(PATH)
BYTE_LEVEL = json.loads(PATH.read_bytes())["decoder"]


def write(folder: Path, changes: dict[str, Any]) -> Path:
    """Write the reference tokenizer with some of its parts replaced."""
    path = folder / "tokenizer.json"
    path.write_text(json.dumps(json.loads(PATH.read_bytes()) | changes), encoding="utf-8")
    return path


def with_vocab(folder: Path, added: list[dict[str, Any]], decoder: dict[str, Any], **vocab: int) -> Path:
    model = {"type": "BPE", "vocab": vocab, "merges": [], "byte_fallback": True, "unk_token": None}
    return write(folder, {"model": model, "added_tokens": added, "decoder": decoder, "pre_tokenizer": None})


def added_token(token_id: int, content: str, *, special: bool) -> dict[str, Any]:
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token_id, "content": content, "special": special} | flags


@given(token_ids=st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=30))
def test_decoding_equals_the_librarys(token_ids: list[int]) -> None:
    assert OURS.decode(token_ids) == LIBRARY.decode(token_ids)


@given(text=st.text(max_size=40))
def test_encoding_equals_the_librarys_and_decodes_to_the_text(text: str) -> None:
    token_ids = OURS.encode(text).tolist()

    assert token_ids == LIBRARY.encode(text).ids
    assert b"".join(map(OURS.token_bytes, token_ids)) == text.encode()


def test_every_byte_has_its_token() -> None:
    assert [OURS.token_bytes(token_id) for token_id in range(256)] == [bytes([byte]) for byte in range(256)]


def test_the_byte_alphabet_has_a_character_a_byte() -> None:
    alphabet = byte_alphabet()

    assert sorted(alphabet.values()) == list(range(256))
    assert (alphabet["A"], alphabet["Ġ"], alphabet["Ċ"]) == (ord("A"), ord(" "), ord("\n"))


def test_half_a_character_decodes_to_the_replacement_character() -> None:
    assert OURS.decode(list("😀".encode())[:3]) == "\ufffd"
    assert OURS.decode([*"é".encode(), 0xC3]) == "é\ufffd"


def test_special_tokens_are_recognised_in_the_text_and_have_no_bytes() -> None:
    token_ids = OURS.encode("<|im_start|>user").tolist()

    assert token_ids[0] == FIRST_SPECIAL_ID + 1
    assert OURS.token_bytes(token_ids[0]) == b""
    assert OURS.decode(token_ids) == "user"


def test_a_special_token_is_named_by_its_text() -> None:
    assert OURS.token_text(FIRST_SPECIAL_ID + 1) == "<|im_start|>"
    assert OURS.token_name_bytes(FIRST_SPECIAL_ID + 1) == b"<|im_start|>"


def test_the_text_of_half_a_character_is_the_replacement_character() -> None:
    assert (OURS.token_text(0xF0), OURS.token_name_bytes(0xF0)) == ("\ufffd", b"\xf0")


@pytest.mark.parametrize("token_id", [-1, VOCAB_SIZE, 2**70])
def test_an_id_out_of_range_is_refused_by_its_value(token_id: int) -> None:
    with pytest.raises(TokenIdError, match=f"{token_id} .* 0 to {VOCAB_SIZE - 1}"):
        OURS.decode([65, token_id])


@pytest.mark.parametrize("token_id", [-1, VOCAB_SIZE, VOCAB_SIZE + 100])
def test_logits_wider_than_the_vocabulary_have_tokens_without_bytes(token_id: int) -> None:
    assert OURS.token_bytes(token_id) == b""


def test_bos_is_put_first_once() -> None:
    tokenizer = TextTokenizer(PATH, bos_token_id=BOS_TOKEN_ID, add_bos=True)

    assert tokenizer.encode("Hi").tolist() == [BOS_TOKEN_ID, *OURS.encode("Hi").tolist()]
    assert tokenizer.encode("<|endoftext|>Hi").tolist() == [BOS_TOKEN_ID, *OURS.encode("Hi").tolist()]
    assert tokenizer.encode("").tolist() == [BOS_TOKEN_ID]


def test_bos_is_left_out_where_the_model_has_none() -> None:
    assert TextTokenizer(PATH, bos_token_id=BOS_TOKEN_ID, add_bos=False).encode("").tolist() == []


def test_truncation_and_padding_of_the_file_are_switched_off(tmp_path: Path) -> None:
    truncation = {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0}
    padding = {
        "strategy": {"Fixed": 9},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "x",
    }
    tokenizer = TextTokenizer(write(tmp_path, {"truncation": truncation, "padding": padding}))

    assert tokenizer.encode("a b c d e").tolist() == OURS.encode("a b c d e").tolist()
    assert tokenizer.encode("a").tolist() == OURS.encode("a").tolist()


def test_a_vocabulary_with_a_gap_reaches_to_its_largest_id(tmp_path: Path) -> None:
    added = [added_token(40, "<end>", special=True), added_token(41, "<tool call>", special=False)]
    vocab = {"a": 0, "b": 1, "<end>": 40, "<tool call>": 41}
    tokenizer = TextTokenizer(with_vocab(tmp_path, added, BYTE_LEVEL, **vocab))

    assert tokenizer.vocab_size == 42
    assert tokenizer.decode([0, 20, 40, 41, 1]) == "a<tool call>b"


def test_a_token_that_is_not_spelled_in_bytes_stands_for_itself(tmp_path: Path) -> None:
    path = with_vocab(tmp_path, [], BYTE_LEVEL, **{"Ġa": 0, "<｜end▁of▁text｜>": 1})

    assert TextTokenizer(path).decode([0, 1]) == Tokenizer.from_file(str(path)).decode([0, 1]) == " a<｜end▁of▁text｜>"


def test_sentencepiece_spelling_becomes_bytes(tmp_path: Path) -> None:
    decoder = {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Fuse"}]}
    tokenizer = TextTokenizer(
        with_vocab(tmp_path, [], decoder, **{"▁the": 0, "<0xC3>": 1, "<0xA9>": 2, "▁▁": 3, "é": 4})
    )

    assert [tokenizer.token_bytes(token_id) for token_id in range(5)] == [
        b" the",
        b"\xc3",
        b"\xa9",
        b"  ",
        "é".encode(),
    ]
    assert tokenizer.decode([0, 1, 2, 4]) == " theéé"


LLAMA_2 = {
    "type": "Sequence",
    "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ],
}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}


@pytest.mark.parametrize(
    "decoder", [LLAMA_2, METASPACE, METASPACE | {"prepend_scheme": "never"}], ids=["llama-2", "metaspace", "never"]
)
@given(token_ids=st.lists(st.integers(0, 3), max_size=6))
def test_a_text_loses_the_space_that_encoding_put_in_front(
    tmp_path_factory: pytest.TempPathFactory, decoder: dict[str, Any], token_ids: list[int]
) -> None:
    vocab = {"▁hello": 0, "▁world": 1, "ly": 2, "<s>": 3}
    path = with_vocab(tmp_path_factory.mktemp("t"), [added_token(3, "<s>", special=True)], decoder, **vocab)
    ours = TextTokenizer(path)

    assert ours.decode(token_ids) == Tokenizer.from_file(str(path)).decode(token_ids)
    assert [ours.token_bytes(token_id) for token_id in range(4)] == [b" hello", b" world", b"ly", b""]


def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, {"model": {"type": "Unheard-of"}})

    with pytest.raises(ModelFolderError, match=f"{re.escape(str(path))} .*download the model again"):
        TextTokenizer(path)
