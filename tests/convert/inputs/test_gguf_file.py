"""A GGUF file that is damaged, incomplete, inconsistent or not supported is refused by name, with a remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGUFEndian
from gguf import GGMLQuantizationType as Type
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jan_ort.convert import check_gguf, convert_gguf
from jan_ort.convert.inputs.ggml_types import readable_types
from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.ground.model_errors import ConversionError
from tests.convert.tiny_llama import TOKENS, TinyLlama


def convert(source: Path, folder: Path) -> None:
    target = folder / "target"
    target.mkdir(exist_ok=True)
    for path in target.iterdir():
        path.unlink()
    convert_gguf(source, target)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"none\.gguf: does not exist; give a \.gguf file"):
        convert(tmp_path / "none.gguf", tmp_path)


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 and so on", b"GGML" + bytes(100)])
def test_a_file_with_another_magic_is_refused(content: bytes, tmp_path: Path) -> None:
    source = tmp_path / "other.gguf"
    source.write_bytes(content)

    with pytest.raises(ConversionError, match="not a GGUF file"):
        convert(source, tmp_path)


def test_a_version_that_is_not_read_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "old.gguf"
    path.write_bytes(b"GGUF" + (1).to_bytes(4, "little") + bytes(16))

    with pytest.raises(ConversionError, match=r"its GGUF version is 1; .*: convert it again with llama\.cpp$"):
        convert(path, tmp_path)


@pytest.mark.parametrize("kept", [4, 20, 100, 5_000, 12_000, -200, -1])
def test_a_truncated_file_is_refused(kept: int, tmp_path: Path) -> None:
    source = TinyLlama(Type.Q4_1).write(tmp_path / "tiny.gguf")
    source.write_bytes(source.read_bytes()[:kept])

    with pytest.raises(ConversionError, match=r"tiny\.gguf: (truncated or damaged|tensor|metadata)"):
        convert(source, tmp_path)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_flipped_bytes_in_the_header_never_raise_anything_else(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(TinyLlama(Type.Q4_1).write(tmp_path / "tiny.gguf").read_bytes())
    for _ in range(3):
        content[data.draw(st.integers(4, 1_200))] = data.draw(st.integers(0, 255))
    source = tmp_path / "flipped.gguf"
    source.write_bytes(content)

    try:
        GgufFile(source)
    except ConversionError as error:
        assert "flipped.gguf" in str(error)  # noqa: PT017


LIES: list[tuple[dict[str, Any], str]] = [
    ({"general.architecture": "mamba"}, "architecture 'mamba' is not supported; supported: llama"),
    ({"llama.block_count": None}, "'llama.block_count' is missing"),
    ({"llama.block_count": 0}, "'llama.block_count' is '0'"),
    ({"llama.block_count": 3}, "tensor 'blk.2.attn_norm.weight' is missing"),
    ({"llama.block_count": 1}, "tensor 'blk.1.attn_norm.weight' belongs to no part"),
    ({"llama.block_count": "two"}, "'llama.block_count' is 'two'"),
    ({"llama.embedding_length": 32}, "tensor 'token_embd.weight' has the shape"),
    ({"llama.embedding_length": 72}, "must be multiples"),
    ({"llama.feed_forward_length": 128}, "tensor 'blk.0.ffn_gate.weight' has the shape"),
    ({"llama.attention.head_count_kv": 3}, "4 attention heads cannot share 3"),
    ({"llama.attention.head_count": 0}, "'llama.attention.head_count' is '0'"),
    ({"llama.attention.layer_norm_rms_epsilon": float("nan")}, "a finite number greater than 0"),
    ({"llama.context_length": 2**31}, "'llama.context_length' is '2147483648'"),
    ({"llama.rope.dimension_count": 16}, "llama.rope.dimension_count differs from the head size 32"),
    ({"llama.rope.scaling.type": "dynamic"}, "rope scaling 'dynamic' is not supported"),
    ({"llama.expert_count": 8}, "'llama.expert_used_count' is missing"),
    ({"tokenizer.ggml.model": "rwkv"}, "tokenizer model 'rwkv' is not supported"),
    ({"tokenizer.ggml.pre": "of-tomorrow"}, "pre-tokenizer 'of-tomorrow' is not supported; supported: .*smollm"),
    ({"tokenizer.ggml.tokens": None}, "'tokenizer.ggml.tokens' is missing"),
    ({"tokenizer.ggml.tokens": [*TOKENS[:-1], "a"]}, "duplicate tokens"),
    ({"tokenizer.ggml.tokens": [*TOKENS, "more"], "tokenizer.ggml.token_type": [1] * 262}, "262 tokens but only 261"),
    ({"tokenizer.ggml.merges": ["th"]}, "merge rule 'th' has no second part"),
    ({"tokenizer.ggml.merges": ["th ee"]}, "merges do not fit the vocabulary"),
    ({"tokenizer.ggml.eos_token_id": None}, "'tokenizer.ggml.eos_token_id' is missing"),
    ({"tokenizer.ggml.eos_token_id": 9999}, "'tokenizer.ggml.eos_token_id' is missing"),
]


@pytest.mark.parametrize(("metadata", "message"), LIES, ids=lambda value: str(value)[:50])
def test_metadata_that_lie_are_refused_by_name(metadata: dict[str, Any], message: str, tmp_path: Path) -> None:
    source = TinyLlama(metadata=metadata).write(tmp_path / "tiny.gguf")

    with pytest.raises(ConversionError, match=f"tiny.gguf: .*{message}"):
        convert(source, tmp_path)


@pytest.mark.parametrize("kind", [Type.I8, Type.F64, Type.Q8_K], ids=lambda kind: kind.name)
def test_an_unsupported_tensor_type_is_refused_before_anything_is_written(kind: Type, tmp_path: Path) -> None:
    block_size, block_bytes = GGML_QUANT_SIZES[kind]
    raw = np.zeros((261, 256 // block_size * block_bytes), np.uint8)
    values = {"output.weight": np.zeros((261, 256), np.float32)}
    source = TinyLlama(tensors=values, blocks={"output.weight": (kind, raw)}).write(tmp_path / "tiny.gguf")

    with pytest.raises(ConversionError) as refusal:
        convert(source, tmp_path)

    assert f"tiny.gguf: tensor 'output.weight' has the type {kind.name}, which is not supported" in str(refusal.value)
    assert all(name in str(refusal.value) for name in readable_types())
    assert list((tmp_path / "target").iterdir()) == []


def test_floats_in_the_other_byte_order_are_read(tmp_path: Path) -> None:
    weights = []
    for order in GGUFEndian:
        target = tmp_path / order.name
        target.mkdir()
        convert_gguf(TinyLlama(byte_order=order).write(tmp_path / f"{order.name}.gguf"), target)
        weights.append((target / "model.onnx.data").read_bytes())

    assert weights[0] == weights[1]


@pytest.mark.parametrize("kind", [Type.BF16, Type.Q4_0, Type.Q8_0])
def test_other_types_in_the_other_byte_order_are_refused_with_the_ways_out(kind: Type, tmp_path: Path) -> None:
    source = TinyLlama(kind, byte_order=GGUFEndian.BIG).write(tmp_path / "big.gguf")

    with pytest.raises(ConversionError, match=rf"has the type {kind.name} in the other byte order, .*gguf-convert-en"):
        check_gguf(source, "int8")


def test_a_tensor_that_no_part_of_the_graph_reads_is_refused(tmp_path: Path) -> None:
    model = TinyLlama(tensors={"blk.0.attn_q_norm.weight": np.ones(32, np.float32)})

    with pytest.raises(ConversionError, match=r"'blk\.0\.attn_q_norm\.weight' belongs to no part"):
        convert(model.write(tmp_path / "tiny.gguf"), tmp_path)


def test_weights_that_are_not_numbers_are_refused(tmp_path: Path) -> None:
    model = TinyLlama(tensors={"blk.1.ffn_norm.weight": np.full(64, np.nan, np.float32)})

    with pytest.raises(ConversionError, match=r"'blk\.1\.ffn_norm\.weight' is damaged \(not finite\)"):
        convert(model.write(tmp_path / "tiny.gguf"), tmp_path)


def test_a_target_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    with pytest.raises(ConversionError, match="must be an existing, empty directory"):
        convert_gguf(source, tmp_path)
