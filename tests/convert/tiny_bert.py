"""A random BERT sentence embedder of two layers: its folder, and a slow and obvious forward pass of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

HIDDEN, HEADS, LAYERS, INNER, VOCABULARY, POSITIONS = 16, 4, 2, 32, 12, 20
EPSILON = 1e-12
Tensors = dict[str, NDArray[np.float32]]


def random_tensors(prefix: str = "") -> Tensors:
    """Return the checkpoint's tensors, by the names that BertModel gives them."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "embeddings.token_type_embeddings.weight": (2, HIDDEN),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        dense = {f"attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")}
        dense |= {"attention.output.dense": (HIDDEN, HIDDEN)}
        dense |= {"intermediate.dense": (INNER, HIDDEN), "output.dense": (HIDDEN, INNER)}
        for name, (num_outputs, num_inputs) in dense.items():
            shapes[f"{layer}.{name}.weight"] = (num_outputs, num_inputs)
            shapes[f"{layer}.{name}.bias"] = (num_outputs,)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name in norms:
        shapes |= {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}
    random = np.random.default_rng(0)
    return {prefix + name: random.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def write_tiny_bert(
    folder: Path,
    *,
    pooling: str = "mean_tokens",
    normalize: bool = True,
    tensors: Tensors | None = None,
    **config: object,
) -> Path:
    """Write a sentence-transformers folder; ``config`` overrides entries of config.json."""
    (folder / "1_Pooling").mkdir(parents=True)
    sizes = {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_size": HIDDEN,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "intermediate_size": INNER,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": POSITIONS,
        "layer_norm_eps": EPSILON,
    }
    modules = ["Transformer", "Pooling", "Normalize"] if normalize else ["Transformer", "Pooling"]
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    files = {
        "config.json": sizes | config,
        "modules.json": [{"type": f"sentence_transformers.models.{name}", "path": paths[name]} for name in modules],
        "1_Pooling/config.json": {
            f"pooling_mode_{name}": name == pooling for name in ("mean_tokens", "cls_token", pooling)
        },
        "sentence_bert_config.json": {"max_seq_length": 10, "do_lower_case": False},
        "tokenizer_config.json": {"cls_token": "[CLS]", "model_max_length": 512},
        "tokenizer.json": {
            "truncation": {"max_length": 3},
            "padding": {"strategy": {"Fixed": 3}},
            "model": {"vocab": {}},
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    save_file(random_tensors() if tensors is None else tensors, folder / "model.safetensors")
    return folder


def embed(tensors: Tensors, token_ids: list[int], *, pooling: str, normalize: bool) -> NDArray[np.float64]:
    """Return the embedding of one sentence in float64, float64 ``(HIDDEN,)``; Devlin et al. 2018, step by step."""
    weights = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}

    def linear(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(name: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + EPSILON)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    x = weights["embeddings.word_embeddings.weight"][token_ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(token_ids)]
    x = norm("embeddings.LayerNorm", x + weights["embeddings.token_type_embeddings.weight"][0])
    for layer in (f"encoder.layer.{i}" for i in range(LAYERS)):
        heads = []
        q, k, v = (linear(f"{layer}.attention.self.{part}", x) for part in ("query", "key", "value"))
        for columns in np.split(np.arange(HIDDEN), HEADS):
            scores = np.exp(q[:, columns] @ k[:, columns].T / math.sqrt(HIDDEN // HEADS))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, columns])
        attended = linear(f"{layer}.attention.output.dense", np.concatenate(heads, axis=-1))
        x = norm(f"{layer}.attention.output.LayerNorm", x + attended)
        inner = linear(f"{layer}.intermediate.dense", x)
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(f"{layer}.output.LayerNorm", x + linear(f"{layer}.output.dense", inner))
    vector = x.mean(0) if pooling == "mean_tokens" else x[0]
    return vector / np.linalg.norm(vector) if normalize else vector
