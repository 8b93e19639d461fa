"""A tiny random llama as a GGUF file, and the slow obvious forward pass that its conversion is compared with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import onnxruntime
from gguf import GGMLQuantizationType, GGUFEndian, GGUFWriter
from numpy.typing import NDArray

from jan_ort.convert.architectures.decoder import Decoder, DecoderTensors
from jan_ort.convert.architectures.llama import LLAMA
from jan_ort.convert.inputs.ggml_types import is_readable
from tests.convert.runtime_needs import skip_without_its_experts

HIDDEN, LAYERS, HEADS, KV_HEADS, HEAD_DIM, INNER = 64, 2, 4, 2, 32, 96
BASE_TOKENS = sorted(map(chr, [*range(33, 127), *range(161, 173), *range(174, 324)]))
TOKENS = [*BASE_TOKENS[:256], "<s>", "</s>", "th", "he", "the"]
VOCAB = len(TOKENS)
EPSILON, THETA = 1e-5, 50_000.0


@dataclass
class TinyLlama:
    """What to write: ``tensors`` in llama.cpp's order of rows, ``metadata`` over the default one (None: leave out).

    Tensors in ``blocks``, which has types and uint8 ``(rows, bytes)``, are written as they are there. The file gets the
    keys, the names and the order of rows of ``decoder``; here they are always llama's. With ``split_tensors`` there are
    several files, of so many tensors each; ``byte_order`` is that of all numbers in them.
    """

    tensor_type: GGMLQuantizationType = GGMLQuantizationType.F32
    embedding_type: GGMLQuantizationType | None = None
    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, tuple[GGMLQuantizationType, NDArray[np.uint8]]] = field(default_factory=dict)
    decoder: Decoder = LLAMA
    split_tensors: int = 0
    byte_order: GGUFEndian = GGUFEndian.LITTLE

    def __post_init__(self) -> None:
        self.tensors = random_tensors() | self.tensors

    def write(self, path: Path) -> Path:
        """Write the file, and replace ``tensors`` by what a reader gets back."""
        architecture = self.metadata.get("general.architecture", self.decoder.name)
        writer = GGUFWriter(path, architecture, endianess=self.byte_order, split_max_tensors=self.split_tensors)
        for key, value in (default_metadata() | self.metadata).items():
            if value is not None and key != "general.architecture":
                _add(writer, re.sub(r"^llama\b", self.decoder.name, key), value)
        for name, values in self.tensors.items():
            kind, raw = self.blocks.get(name) or self._quantize(name, values)
            stored = np.array(self._ordered(name, raw))  # the writer swaps bytes in place
            writer.add_tensor(self._spelled(name), stored, raw_dtype=kind)
            if is_readable(kind):
                self.tensors[name] = gguf.dequantize(raw, kind).reshape(values.shape).astype(np.float32)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def _spelled(self, name: str) -> str:
        """Return a tensor's name in the file."""
        stem, _, end = name.rpartition(".")
        number = re.match(r"blk\.(\d+)", name)
        layer = int(number[1]) if number else 0
        llama, own = DecoderTensors().of(layer), self.decoder.tensors.of(layer)
        spelling = {getattr(llama, each.name): getattr(own, each.name) for each in fields(llama)}
        return f"{spelling.get(stem, stem)}.{end}"

    def _ordered(self, name: str, raw: NDArray[Any]) -> NDArray[Any]:
        """Return rows in the file's order: halves of each head, unless it has rotary pairs side by side."""
        if self.decoder.rotary_pairs or not re.search(r"attn_[qk]\.", name):
            return raw
        return np.ascontiguousarray(raw.reshape(-1, HEAD_DIM // 2, 2, *raw.shape[1:]).swapaxes(1, 2).reshape(raw.shape))

    def _quantize(self, name: str, values: NDArray[np.float32]) -> tuple[GGMLQuantizationType, NDArray[Any]]:
        kind = self._type(name, values)
        return kind, gguf.quantize(values, kind)

    def _type(self, name: str, values: NDArray[np.float32]) -> GGMLQuantizationType:
        if values.ndim == 1:
            return GGMLQuantizationType.F32
        if name == "token_embd.weight" and self.embedding_type is not None:
            return self.embedding_type
        return self.tensor_type

    def forward(self, token_ids: list[int]) -> NDArray[np.float64]:
        """Return the logits ``(tokens, vocab_size)`` in float64, one position and one head at a time."""
        weight = {name: values.astype(np.float64) for name, values in self.tensors.items()}
        x = weight["token_embd.weight"][token_ids]
        for layer in range(LAYERS):
            x = x + attention(weight, f"blk.{layer}.attn", rms_norm(x, weight[f"blk.{layer}.attn_norm.weight"]))
            h = rms_norm(x, weight[f"blk.{layer}.ffn_norm.weight"])
            gate, up = (linear(weight, f"blk.{layer}.ffn_{name}", h) for name in ("gate", "up"))
            x = x + linear(weight, f"blk.{layer}.ffn_down", ACTIVATIONS[self.decoder.activation](gate) * up)
        x = rms_norm(x, weight["output_norm.weight"])
        return x @ weight.get("output.weight", weight["token_embd.weight"]).T


ACTIVATIONS = {
    "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu_pytorch_tanh": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def linear(weight: dict[str, NDArray[np.float64]], name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x @ weight[f"{name}.weight"].T + weight.get(f"{name}.bias", 0.0)


def rms_norm(x: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    normed: NDArray[np.float64] = x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + EPSILON) * weight
    return normed


def attention(weight: dict[str, NDArray[np.float64]], prefix: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    query, key, value = (linear(weight, f"{prefix}_{kind}", x).reshape(len(x), -1, HEAD_DIM) for kind in "qkv")
    out = np.zeros_like(query)
    for position in range(len(x)):
        for head in range(HEADS):
            kv_head = head // (HEADS // KV_HEADS)
            q = rotate(query[position, head], position, weight)
            scores = np.array([q @ rotate(key[p, kv_head], p, weight) for p in range(position + 1)])
            p = np.exp(scores / np.sqrt(HEAD_DIM))
            out[position, head] = (p / p.sum()) @ value[: position + 1, kv_head]
    return linear(weight, f"{prefix}_output", out.reshape(len(x), -1))


def rotate(vector: NDArray[np.float64], position: int, weight: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Rotate the pairs (0, 1), (2, 3), … as complex numbers: the order in which llama.cpp stores rows."""
    factors = weight.get("rope_freqs.weight", np.ones(HEAD_DIM // 2))
    angles = position * THETA ** (-np.arange(HEAD_DIM // 2) * 2 / HEAD_DIM) / factors
    turned = (vector[0::2] + 1j * vector[1::2]) * (np.cos(angles) + 1j * np.sin(angles))
    return np.stack([turned.real, turned.imag], axis=-1).reshape(-1)


def random_tensors() -> dict[str, NDArray[np.float32]]:
    """Return matrices that make attention and the head decisive; one channel is large, as in real models."""
    rng = np.random.default_rng(7)
    shapes = {"token_embd.weight": (VOCAB, HIDDEN), "output_norm.weight": (HIDDEN,)}
    for layer in range(LAYERS):
        prefix = f"blk.{layer}"
        shapes |= {f"{prefix}.attn_norm.weight": (HIDDEN,), f"{prefix}.ffn_norm.weight": (HIDDEN,)}
        shapes |= {f"{prefix}.attn_q.weight": (HEADS * HEAD_DIM, HIDDEN)}
        shapes |= {f"{prefix}.attn_{kind}.weight": (KV_HEADS * HEAD_DIM, HIDDEN) for kind in "kv"}
        shapes |= {f"{prefix}.attn_output.weight": (HIDDEN, HEADS * HEAD_DIM)}
        shapes |= {f"{prefix}.ffn_gate.weight": (INNER, HIDDEN), f"{prefix}.ffn_up.weight": (INNER, HIDDEN)}
        shapes |= {f"{prefix}.ffn_down.weight": (HIDDEN, INNER)}
    tensors = {name: rng.normal(0, 0.15, shape).astype(np.float32) for name, shape in shapes.items()}
    for values in tensors.values():
        if values.ndim == 1:
            values += 1
            values[5] = 8
    return tensors


def default_metadata() -> dict[str, Any]:
    return {
        "llama.block_count": LAYERS,
        "llama.context_length": 128,
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.attention.key_length": HEAD_DIM,
        "llama.attention.layer_norm_rms_epsilon": EPSILON,
        "llama.rope.freq_base": THETA,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": [3 if token in ("<s>", "</s>") else 1 for token in TOKENS],
        "tokenizer.ggml.merges": ["t h", "h e", "th e"],
        "tokenizer.ggml.bos_token_id": TOKENS.index("<s>"),
        "tokenizer.ggml.eos_token_id": TOKENS.index("</s>"),
        "tokenizer.chat_template": "{{ messages[0]['content'] }}\n",
    }


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


class LlamaSession:
    """Runs the graph of a model folder for one sequence."""

    def __init__(self, folder: Path, max_length: int = 512) -> None:
        skip_without_its_experts(folder)
        self._session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
        self.metadata = self._session.get_modelmeta().custom_metadata_map
        self.inputs = {value.name: value for value in self._session.get_inputs()}
        shapes = {name: value.shape for name, value in self.inputs.items() if name.startswith("past_key_values.")}
        dtype = np.float16 if self.inputs["past_key_values.0.key"].type == "tensor(float16)" else np.float32
        self._cache = {name: np.zeros((1, s[1], max_length, s[3]), dtype) for name, s in shapes.items()}
        states = {name: value.shape[1:] for name, value in self.inputs.items() if name.startswith("past_state.")}
        self._cache |= {name: np.zeros((1, *shape), np.float32) for name, shape in states.items()}
        self._length = 0

    def step(self, token_ids: list[int], rows: list[int] | None = None) -> list[NDArray[Any]]:
        """Append tokens and return logits, top_logits and top_token_ids of ``rows``, by default all."""
        total = self._length + len(token_ids)
        feeds = {
            "input_ids": np.array([token_ids], np.int64),
            "seqlens_k": np.array([total - 1], np.int32),
            "total_sequence_length": np.array([total], np.int32),
            "logits_rows": np.array(range(len(token_ids)) if rows is None else rows, np.int64),
        }
        if "position_ids" in self.inputs:
            feeds["position_ids"] = np.arange(self._length, total)[np.newaxis]
        outputs: list[NDArray[Any]] = self._session.run(None, feeds | self._cache)
        for name, present in zip(self._cache, outputs[3:], strict=True):
            self._cache[name] = present
        self._length = total
        return outputs[:3]
