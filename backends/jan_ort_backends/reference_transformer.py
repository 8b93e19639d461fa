"""A tiny transformer in numpy whose weights are computed, not stored: small enough to read, fast enough to test with.

A decoder of the GPT-2 kind: absolute positions, RMS norm before attention and MLP, an untied head with a bias.
Everything runs one position at a time in float64, so that a logits row depends on its prefix only and never on how
the tokens were batched or cut into chunks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID, FIRST_SPECIAL_ID, word_token_ids

Float = NDArray[np.float64]

VOCAB_SIZE = 512
CONTEXT_LENGTH = 512
HIDDEN_SIZE = 32
NUM_LAYERS = 2
NUM_HEADS = 4
HEAD_DIM = 8
INTERMEDIATE_SIZE = 64
SEED = 2
EOS_BIAS = 2.0
TOKEN_GAIN, POSITION_GAIN, LAYER_GAIN, HEAD_GAIN = 1.0, 2.0, 3.0, 2.5
"""Chosen with the seed so that greedy texts vary, and end by themselves, mostly after 10 to 60 tokens."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One block's matrices, each ``(out, in)``: q, k, v together, the attention's output, and the two of the MLP."""

    qkv: Float
    out: Float
    up: Float
    down: Float


@dataclass(frozen=True, slots=True)
class Weights:
    """All matrices; ``tokens``, ``positions`` and ``head`` have rows of ``hidden_size``."""

    tokens: Float
    positions: Float
    layers: tuple[Layer, ...]
    head: Float
    head_bias: Float


@dataclass(frozen=True, slots=True)
class KVCache:
    """Keys and values of one sequence, each float64 ``(num_layers, context_length, num_heads, head_dim)``."""

    keys: Float
    values: Float

    @classmethod
    def empty(cls, context_length: int) -> KVCache:
        """Reserve room for ``context_length`` positions."""
        shape = (NUM_LAYERS, context_length, NUM_HEADS, HEAD_DIM)
        return cls(np.zeros(shape), np.zeros(shape))


@cache
def reference_weights() -> Weights:
    """Compute the weights: the same everywhere, from the raw output of PCG64, whose stream numpy keeps stable."""
    generator = np.random.PCG64(SEED)

    def matrix(rows: int, columns: int, gain: float) -> Float:
        raw = generator.random_raw(rows * columns) >> np.uint64(11)
        uniform = raw.astype(np.float64) / 2.0**52 - 1.0  # exact: [-1, 1) in steps of 2^-52
        scaled: Float = uniform * (gain * math.sqrt(3.0 / columns))
        return scaled.reshape(rows, columns)

    width = NUM_HEADS * HEAD_DIM
    tokens = matrix(VOCAB_SIZE, HIDDEN_SIZE, TOKEN_GAIN)
    positions = matrix(CONTEXT_LENGTH, HIDDEN_SIZE, POSITION_GAIN)
    layers = tuple(
        Layer(
            qkv=matrix(3 * width, HIDDEN_SIZE, LAYER_GAIN),
            out=matrix(HIDDEN_SIZE, width, LAYER_GAIN),
            up=matrix(INTERMEDIATE_SIZE, HIDDEN_SIZE, LAYER_GAIN),
            down=matrix(HIDDEN_SIZE, INTERMEDIATE_SIZE, LAYER_GAIN),
        )
        for _ in range(NUM_LAYERS)
    )
    return Weights(tokens, positions, layers, matrix(VOCAB_SIZE, HIDDEN_SIZE, HEAD_GAIN), _head_bias())


def _head_bias() -> Float:
    """Prefer what reads as text: whole words, then ASCII; other bytes are rare, and special tokens never chosen."""
    bias = np.full(VOCAB_SIZE, -6.0)
    bias[32:FIRST_SPECIAL_ID] = -3.0
    bias[127:256] = -6.0
    bias[word_token_ids()] = 2.0
    bias[[ord(character) for character in '.,"}]']] = 1.0  # texts and JSON that a grammar forces come to an end
    bias[FIRST_SPECIAL_ID:] = -60.0
    bias[EOS_TOKEN_ID] = EOS_BIAS
    return bias


def forward(weights: Weights, kv_cache: KVCache, position: int, token: int | Float) -> Float:
    """Run one token, or a vector of an image's, at ``position``; its keys and values are written there.

    Returns: the last hidden state, ``(hidden_size,)``, normalised. Positions after this one are not read.
    """
    hidden = (weights.tokens[token] if isinstance(token, int) else token) + weights.positions[position]
    for index, layer in enumerate(weights.layers):
        query, key, value = _apply(layer.qkv, _rms_norm(hidden)).reshape(3, NUM_HEADS, HEAD_DIM)
        kv_cache.keys[index, position] = key
        kv_cache.values[index, position] = value
        keys, values = kv_cache.keys[index, : position + 1], kv_cache.values[index, : position + 1]
        hidden = hidden + _apply(layer.out, _attend(query, keys, values))
        hidden = hidden + _apply(layer.down, np.maximum(_apply(layer.up, _rms_norm(hidden)), 0.0))
    return _rms_norm(hidden)


def head(weights: Weights, hidden: Float) -> NDArray[np.float32]:
    """Return the logits of one hidden state: float32 ``(vocab_size,)``."""
    return (_apply(weights.head, hidden) + weights.head_bias).astype(np.float32)


def _attend(query: Float, keys: Float, values: Float) -> Float:
    scores = np.einsum("hd,thd->ht", query, keys) / math.sqrt(HEAD_DIM)  # (heads, tokens)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    attended: Float = np.einsum("ht,thd->hd", weights, values).reshape(-1)  # (heads * head_dim,)
    return attended


def _apply(matrix: Float, vector: Float) -> Float:
    # einsum, not @: no BLAS, whose kernels and threads differ between machines
    product: Float = np.einsum("oi,i->o", matrix, vector)
    return product


def _rms_norm(vector: Float) -> Float:
    scale: Float = np.sqrt(np.mean(vector * vector) + 1e-6)
    normalised: Float = vector / scale
    return normalised
