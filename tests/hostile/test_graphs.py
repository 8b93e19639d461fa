"""Hostile ONNX and safetensors files, and real ones with some bytes changed: each opened or refused within bounds."""

from __future__ import annotations

import json
import os
import random
import struct
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from tests.convert.tiny_bert import write_tiny_bert
from tests.convert.tiny_llama import TinyLlama
from tests.hostile.bounded_child import BoundedChild
from tests.hostile.test_folders import KNOWN, folder_of

GIB = 2**30


def with_weights(model: onnx.ModelProto, location: str, offset: str = "0", length: str = "64") -> onnx.ModelProto:
    """Let the first tensor of a graph lie in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=value)
    return model


def with_tensor(model: onnx.ModelProto, *dims: int) -> onnx.ModelProto:
    """Give a graph a tensor that says more than it has."""
    model.graph.initializer.append(TensorProto(name="big", data_type=TensorProto.FLOAT, dims=dims))
    return model


def with_node(model: onnx.ModelProto, op_type: str, **attributes: Any) -> onnx.ModelProto:
    model.graph.node.append(helper.make_node(op_type, [model.graph.input[0].name], ["extra"], **attributes))
    return model


def varints(count: int) -> bytes:
    return b"\xff" * count


GRAPHS: dict[str, Any] = {
    "weights above": lambda model: with_weights(model, "../../../etc/passwd"),
    "weights at the root": lambda model: with_weights(model, "/etc/passwd"),
    "weights of Windows": lambda model: with_weights(model, "C:\\secret"),
    "weights above, in Windows' way": lambda model: with_weights(model, "..\\secret"),
    "weights with a zero": lambda model: with_weights(model, "a\x00b"),
    "weights with a long name": lambda model: with_weights(model, "x" * 5000),
    "weights far away": lambda model: with_weights(model, "model.onnx", str(2**62), str(2**62)),
    "weights before the begin": lambda model: with_weights(model, "model.onnx", "-5"),
    "weights of many digits": lambda model: with_weights(model, "model.onnx", "9" * 5000),
    "weights of no number": lambda model: with_weights(model, "model.onnx", "\u00b2"),
    "a tensor of 2^60": lambda model: with_tensor(model, 2**60),
    "a tensor that overflows": lambda model: with_tensor(model, 2**32, 2**32),
    "a tensor below zero": lambda model: with_tensor(model, -4),
    "an unknown operator": lambda model: with_node(model, "Magic"),
    "a long operator": lambda model: with_node(model, "M" * 10**6),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_hostile_graph_is_refused_within_bounds(name: str, child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "model")
    onnx.save(GRAPHS[name](onnx.load(folder / "model.onnx")), folder / "model.onnx")

    outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

    outcome.check_bounds()
    assert outcome.error in ("SystemExit", ""), outcome
    assert not outcome.error or str(folder) in outcome.message
    assert len(outcome.message) < 3000


BYTES = {
    "a number without end": varints(5_000_000),
    "fields of number 0": bytes(1000),
    "millions of fields": b"\x08\x01" * 2_000_000,
    "a length beyond the end": b"\x3a" + b"\xff" * 8 + b"\x7f",
    "groups": b"\x0b" * 1000,
}


@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("sparse_bytes", [0, GIB])
def test_bytes_that_are_no_graph_are_refused_within_bounds(
    name: str, sparse_bytes: int, child: BoundedChild, tmp_path: Path
) -> None:
    folder = folder_of("llama", tmp_path / "model")
    with (folder / "model.onnx").open("wb") as stream:
        stream.write(BYTES[name])
        stream.truncate(len(BYTES[name]) + sparse_bytes)

    outcome = child.ask("read", path=str(folder))

    outcome.check_bounds()
    assert outcome.error == "ModelError", outcome
    assert f"{folder / 'model.onnx'} cannot be loaded: it is not an ONNX graph" in outcome.message


def safetensors(header: bytes | dict[str, Any], length: int | None = None, body: bytes = b"") -> bytes:
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + body


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


NAME = "embeddings.word_embeddings.weight"
WEIGHTS = {
    "a header of 2^63 bytes": safetensors(b"{}", 2**63),
    "a header of 99 MB": safetensors(b"{}", 99_000_000),
    "no header": b"\x00" * 4,
    "deep": safetensors(b'{"a":' * 50_000),
    "an offset beyond the end": safetensors({NAME: entry([4], 0, 2**40)}, body=bytes(16)),
    "an offset before the begin": safetensors({NAME: entry([4], -16, 0)}, body=bytes(16)),
    "a shape that overflows": safetensors({NAME: entry([2**32, 2**32], 0, 16)}, body=bytes(16)),
    "a shape of another size": safetensors({NAME: entry([400], 0, 16)}, body=bytes(16)),
    "tensors on one another": safetensors({NAME: entry([4], 0, 16), "u": entry([4], 8, 24)}, body=bytes(24)),
    "an unknown type": safetensors({NAME: entry([4], 0, 16, "F33")}, body=bytes(16)),
    "a type of 4 bits": safetensors({NAME: entry([4], 0, 2, "F4")}, body=bytes(16)),
    "a gap": safetensors({NAME: entry([2], 8, 16)}, body=bytes(16)),
    "a list": safetensors(b"[]"),
}


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("sparse_bytes", [0, GIB])
def test_hostile_weights_of_an_embedder_are_refused(
    name: str, sparse_bytes: int, child: BoundedChild, tmp_path: Path
) -> None:
    folder = write_tiny_bert(tmp_path / "bert")
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(WEIGHTS[name])
        stream.truncate(len(WEIGHTS[name]) + sparse_bytes)

    outcome = child.ask("convert", path=str(folder))

    outcome.check_bounds()
    assert outcome.error == "ConversionError", outcome
    assert str(folder) in outcome.message


SIZES = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
SIZES += ["max_position_embeddings", "type_vocab_size", "layer_norm_eps", "model_type", "hidden_act"]
VALUES = [-1, 0, 2**40, 10**400, 1.5, float("nan"), True, None, "12", [], {}]


@pytest.mark.parametrize("key", SIZES)
def test_any_size_of_an_embedder_is_taken_or_named(key: str, child: BoundedChild, tmp_path: Path) -> None:
    for index, value in enumerate(VALUES):
        folder = write_tiny_bert(tmp_path / str(index), **{key: value})

        outcome = child.ask("convert", path=str(folder))

        outcome.check_bounds()
        assert outcome.error in ("", "ConversionError"), (value, outcome)
        assert not outcome.error or str(folder) in outcome.message, (value, outcome)


SMALL = {
    "modules.json": [
        [],
        {},
        [7],
        [{"type": 7}],
        [{"type": "Pooling", "path": "../.."}],
        [{"type": "Pooling", "path": "/"}],
    ],
    "1_Pooling/config.json": [[], {}, {"pooling_mode": 7}, {"pooling_mode_mean_tokens": "x" * 1000}],
    "sentence_bert_config.json": [[], {"max_seq_length": -1}, {"max_seq_length": 1e400}, {"max_seq_length": "x"}],
    "tokenizer.json": [
        [],
        {},
        {"normalizer": []},
        {"normalizer": {"normalizers": 7}},
        {"normalizer": {"normalizers": [7]}},
    ],
    "tokenizer_config.json": [[], 7],
    "config_sentence_transformers.json": [[], {"default_prompt_name": {}}],
}


@pytest.mark.parametrize(("file", "content"), [(file, each) for file, contents in SMALL.items() for each in contents])
def test_a_small_file_of_an_embedder_is_taken_or_named(
    file: str, content: object, child: BoundedChild, tmp_path: Path
) -> None:
    folder = write_tiny_bert(tmp_path / "bert")
    (folder / file).write_text(json.dumps(content))

    outcome = child.ask("convert", path=str(folder))

    outcome.check_bounds()
    assert outcome.error in ("", "ConversionError"), outcome
    assert not outcome.error or str(folder) in outcome.message, outcome


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes of that kind")
@pytest.mark.parametrize("file", ["model.safetensors", "modules.json", "tokenizer.json", "1_Pooling/config.json"])
def test_a_pipe_in_an_embedder_is_refused(file: str, child: BoundedChild, tmp_path: Path) -> None:
    folder = write_tiny_bert(tmp_path / "bert")
    (folder / file).unlink()
    os.mkfifo(folder / file)

    outcome = child.ask("make", path=str(folder), cache_dir=str(tmp_path / "cache"))

    outcome.check_bounds()
    assert outcome.error in ("ConversionError", "ModelReferenceError"), outcome
    assert str(folder) in outcome.message


def mutated(content: bytes, seed: int, head: int) -> bytes:
    """Return the file with some bytes of its head changed, numbers made large, or a piece cut out."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(4, min(head, len(changed) - 8))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at : at + 8] = struct.pack("<Q", chance.choice([2**63, 2**33, 2**31 - 1, 0, 2**64 - 1]))
            case 2:
                del changed[at : at + chance.randrange(1, 64)]
            case 3:
                changed[at:at] = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 64)))
    return bytes(changed)


@pytest.mark.parametrize("part", range(4))
def test_a_gguf_file_with_changed_bytes_ends_in_an_answer(part: int, child: BoundedChild, tmp_path: Path) -> None:
    content = TinyLlama().write(tmp_path / "tiny.gguf").read_bytes()
    path = tmp_path / "changed.gguf"
    for seed in range(40 * part, 40 * part + 40):
        path.write_bytes(mutated(content, seed, 9000))

        outcome = child.ask("convert", path=str(path), weights="int4" if seed % 2 else "int8")

        outcome.check_bounds()
        assert outcome.error in ("", "ConversionError"), (seed, outcome)
        assert not outcome.error or str(path) in outcome.message, (seed, outcome)


@pytest.mark.parametrize("file", ["model.onnx", "config.json", "tokenizer.json", "generation_config.json"])
def test_a_folder_with_changed_bytes_ends_in_an_answer(file: str, child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of("llama", tmp_path / "model")
    content = (folder / file).read_bytes()
    for seed in range(40):
        (folder / file).write_bytes(mutated(content, seed, len(content)))

        outcome = child.ask("read", path=str(folder))

        outcome.check_bounds()
        assert outcome.error in KNOWN, (seed, outcome)


@pytest.mark.parametrize("layout", ["llama", "llama-genai"])
def test_a_graph_with_changed_bytes_is_examined_to_the_end(layout: str, child: BoundedChild, tmp_path: Path) -> None:
    folder = folder_of(layout, tmp_path / "model")
    content = (folder / "model.onnx").read_bytes()
    for seed in range(12):
        (folder / "model.onnx").write_bytes(mutated(content, seed, 20_000))

        outcome = child.ask("doctor", path=str(folder), cache_dir=str(tmp_path / "cache"))

        outcome.check_bounds()
        assert outcome.error in ("", "SystemExit"), (seed, outcome)
