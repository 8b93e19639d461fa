"""A hostile GGUF file is refused within a second and 200 MiB, by an error that names it and what is wrong."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from tests.convert.tiny_llama import TinyLlama
from tests.hostile.bounded_child import BoundedChild
from tests.hostile.gguf_bytes import ARRAY, BOOL, F32, I32, LLAMA, TEXT, U8, U32, U64, Gguf, array, key, tensor, text

GIB = 2**30
NESTED = array(ARRAY, 1) * 5000 + array(U8, 1, b"\x00")

FILES: dict[str, tuple[Gguf, str]] = {
    "array without end": (Gguf([key("a", ARRAY, array(U8, 2**33))]), "8589934592 items in key 'a'"),
    "array of texts without end": (Gguf([key("a", ARRAY, array(TEXT, 2**33))]), "8589934592 items in key 'a'"),
    "array of 2^64 - 1": (Gguf([key("a", ARRAY, array(U64, 2**64 - 1))]), "18446744073709551615 items"),
    "array in a hole": (Gguf([key("a", ARRAY, array(U8, 2**29))], sparse_bytes=GIB), "at most 8388608 are read"),
    "texts in a hole": (Gguf([key("a", ARRAY, array(TEXT, 2**26))], sparse_bytes=GIB), "at most 1572864 are read"),
    "arrays in holes": (
        Gguf([key(str(n), ARRAY, array(TEXT, 1500)) + bytes(12_000) for n in range(1100)], sparse_bytes=GIB),
        "too many texts",
    ),
    "long text in a hole": (
        Gguf([key("a", TEXT, text("", length=2**29))], sparse_bytes=GIB),
        "too many bytes of texts",
    ),
    "long texts in a hole": (
        Gguf([key("a", ARRAY, array(TEXT, 3, text("", length=2**29)))], sparse_bytes=GIB),
        "a text in key 'a' goes beyond",
    ),
    "nested arrays": (Gguf([key("a", ARRAY, NESTED)]), "'a' is an array of arrays"),
    "text beyond the end": (
        Gguf([key("a", TEXT, text("x", length=2**62))]),
        "the text of key 'a' of 4611686018427387904",
    ),
    "key beyond the end": (Gguf([text("x", length=2**40)], num_keys=1), "a key of 1099511627776 bytes"),
    "no UTF-8": (Gguf([key("a", TEXT, text(b"\xff\xfe"))]), "codec can't decode"),
    "unknown type": (Gguf([key("a", 99, b"1234")]), "is of the type 99"),
    "key twice": (Gguf([key("a", BOOL, b"\x01")] * 2), "'a' occurs twice"),
    "2^40 keys": (Gguf(num_keys=2**40), "it has 1099511627776 keys|1099511627776 keys"),
    "keys in a hole": (Gguf(num_keys=2**20, sparse_bytes=GIB), "1048576 keys; at most 4096"),
    "2^40 tensors": (Gguf([LLAMA], num_tensors=2**40), "1099511627776 tensors"),
    "tensors in a hole": (Gguf([LLAMA], num_tensors=2**24, sparse_bytes=GIB), "16777216 tensors; at most 16384"),
    "no dimensions' end": (Gguf([LLAMA], [tensor("t", [1], dimensions=2**31)]), "2147483648 dimensions"),
    "2^240 values": (Gguf([LLAMA], [tensor("t", [2**60] * 4)]), "beyond its end"),
    "values that overflow to 0": (Gguf([LLAMA], [tensor("t", [2**32, 2**32])]), "beyond its end"),
    "offset beyond the end": (Gguf([LLAMA], [tensor("t", [8], offset=2**63)]), "'t' has 32 bytes from byte"),
    "offset that overflows": (Gguf([LLAMA], [tensor("t", [8], offset=2**64 - 32)]), "beyond its end"),
    "overlapping tensors": (
        Gguf([LLAMA], [tensor("t", [16]), tensor("u", [16], offset=32)], weights=bytes(512)),
        "'t' and 'u' overlap",
    ),
    "tensor twice": (Gguf([LLAMA], [tensor("t", [8])] * 2, weights=bytes(64)), "two of its tensors have the same name"),
    "half a block": (
        Gguf([LLAMA], [tensor("t", [33], 2)], weights=bytes(64)),
        "33 columns, not a whole number of blocks of Q4_0",
    ),
    "unknown tensor type": (Gguf([LLAMA], [tensor("t", [8], 200)], weights=bytes(64)), "'t' is of the type 200"),
    "version 1": (Gguf(version=1), "version is 1"),
    "version 2^31": (Gguf(version=2**31 + 1), "version is 2147483649"),
    "alignment 0": (Gguf([key("general.alignment", U32, struct.pack("<I", 0))]), "general.alignment is '0'"),
    "alignment 3": (Gguf([key("general.alignment", U32, struct.pack("<I", 3))]), "general.alignment is '3'"),
    "alignment of a text": (Gguf([key("general.alignment", TEXT, text("x" * 9999))]), "general.alignment is 'xxx"),
    "architecture of numbers": (
        Gguf([key("general.architecture", ARRAY, array(F32, 2, bytes(8)))]),
        "'general.architecture' is",
    ),
    "architecture with escapes": (Gguf([key("general.architecture", TEXT, text("\x1b]0;x\x07" * 9))]), "not supported"),
    "nothing": (Gguf([LLAMA]), "is missing"),
    "a million texts": (
        Gguf([LLAMA, key("a", ARRAY, array(TEXT, 10**6, text("ab") * 10**6))]),
        "'llama.embedding_length' is missing",
    ),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("weights", ["int8", "as-is"])
def test_a_hostile_header_is_refused_at_once(name: str, weights: str, child: BoundedChild, tmp_path: Path) -> None:
    file, message = FILES[name]
    path = file.write(tmp_path / "hostile.gguf")

    outcome = child.ask("convert", path=str(path), weights=weights)

    outcome.check_bounds()
    assert outcome.error == "ConversionError", outcome
    assert str(path) in outcome.message
    assert len(outcome.message) < 1000
    assert "; " in outcome.message  # what to do
    if weights == "int8":
        assert any(each in outcome.message for each in message.split("|")), outcome.message


HUGE = 2**31 - 1
LIES: dict[str, dict[str, Any]] = {
    "layers": {"llama.block_count": HUGE},
    "head size": {"llama.attention.key_length": HUGE - 7},
    "even head size": {"llama.attention.key_length": 2**30},
    "heads": {"llama.attention.head_count": HUGE},
    "kv heads": {"llama.attention.head_count_kv": HUGE},
    "hidden": {"llama.embedding_length": 2**30},
    "inner": {"llama.feed_forward_length": HUGE},
    "context": {"llama.context_length": HUGE},
    "context of a million": {"llama.context_length": 2**20},
    "theta": {"llama.rope.freq_base": 1e38},
    "bos": {"tokenizer.ggml.bos_token_id": HUGE},
    "a chat template of text": {"tokenizer.chat_template": "x" * 2**20},
}


@pytest.mark.parametrize("weights", ["int8", "fp16"])
@pytest.mark.parametrize("name", LIES)
def test_sizes_that_the_tensors_do_not_bear_out_cost_nothing(
    name: str, weights: str, child: BoundedChild, tmp_path: Path
) -> None:
    path = TinyLlama(metadata=LIES[name]).write(tmp_path / "hostile.gguf")

    outcome = child.ask("convert", path=str(path), weights=weights)

    outcome.check_bounds()
    assert outcome.error in ("ConversionError", ""), outcome
    assert not outcome.error or str(path) in outcome.message


@pytest.mark.parametrize("name", ["array without end", "texts in a hole", "nested arrays"])
def test_a_server_refuses_it_before_all_of_it_is_read(name: str, child: BoundedChild, tmp_path: Path) -> None:
    """Its checksum, which names it in the cache, takes a second a gigabyte."""
    path = FILES[name][0].write(tmp_path / "hostile.gguf")

    outcome = child.ask("make", path=str(path), cache_dir=str(tmp_path / "cache"))

    outcome.check_bounds()
    assert outcome.error == "ConversionError", outcome
    assert str(path) in outcome.message


def test_what_is_read_of_an_array_is_what_it_holds(tmp_path: Path) -> None:
    from jan_ort.convert.inputs.gguf_header import read_header

    keys = [
        key("numbers", ARRAY, array(I32, 3, struct.pack("<3i", -1, 0, 7))),
        key("texts", ARRAY, array(TEXT, 2, text("a") + text("é"))),
        key("flag", BOOL, b"\x01"),
        key("size", U64, struct.pack("<Q", 2**40)),
    ]
    path = Gguf(keys, [tensor("t", [4, 2], 0, 0)], weights=bytes(32)).write(tmp_path / "small.gguf")

    header = read_header(path)

    assert header.fields["numbers"].tolist() == [-1, 0, 7]
    assert (header.fields["texts"], header.fields["flag"], header.fields["size"]) == (["a", "é"], True, 2**40)
    assert (header.tensors["t"].shape, header.tensors["t"].num_bytes) == ((2, 4), 32)
