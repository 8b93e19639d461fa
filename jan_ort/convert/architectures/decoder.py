"""What tells one decoder from another: a recipe that the reader of keys, the graph and the calibration follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Literal

Activation = Literal["silu", "gelu_pytorch_tanh"]
"""The activations of a gate, by the names of config.json."""

HARMLESS_KEYS = frozenset(
    {
        "attention.layer_norm_epsilon",  # of another kind of norm
        "pooling_type",  # of an embedding, which no decoder makes
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",  # of the scalings that are refused
        "tensor_data_layout",
        "use_parallel_residual",  # written into any file by old converters, read for other architectures
        "vocab_size",  # the embedding has as many rows
    }
)
"""Keys, without the architecture's name, whose value changes nothing that is computed."""

NEUTRAL_VALUES: Mapping[str, tuple[float | bool, ...]] = MappingProxyType(
    {
        "attention.causal": (True,),
        "attention.clamp_kqv": (0,),
        "attention.max_alibi_bias": (0,),
        "attention.scale": (0,),
        "attention.sliding_window": (0,),
        "embedding_scale": (0, 1),
        "expert_count": (0,),
        "expert_used_count": (0,),
        "logit_scale": (0, 1),
        "residual_scale": (0, 1),
        "rope.scaling.attn_factor": (1,),
    }
)
"""The values of keys at which the part of a model that they are about is as if it were not there."""


@dataclass(frozen=True, slots=True)
class DecoderTensors:
    """The names of the tensors without ".weight" and ".bias"; ``{layer}`` stands for the layer's number."""

    embedding: str = "token_embd"
    output_norm: str = "output_norm"
    head: str = "output"
    rotary_factors: str = "rope_freqs"
    attention_norm: str = "blk.{layer}.attn_norm"
    query: str = "blk.{layer}.attn_q"
    key: str = "blk.{layer}.attn_k"
    value: str = "blk.{layer}.attn_v"
    attention_output: str = "blk.{layer}.attn_output"
    mlp_norm: str = "blk.{layer}.ffn_norm"
    gate: str = "blk.{layer}.ffn_gate"
    up: str = "blk.{layer}.ffn_up"
    down: str = "blk.{layer}.ffn_down"

    def of(self, layer: int) -> DecoderTensors:
        """Return the names of one layer."""
        return DecoderTensors(**{each.name: getattr(self, each.name).format(layer=layer) for each in fields(self)})


@dataclass(frozen=True, slots=True)
class Decoder:
    """An architecture of GGUF files: layers of rotary grouped-query attention and a gated block, a norm before each.

    ``name`` is the value of general.architecture, begins the names of the keys, and is config.json's model_type;
    ``hf_class`` is its architecture there. ``rotary_pairs``: the file has the rows of queries and keys in llama.cpp's
    order, rotary pairs side by side, which is for the converter that wrote it to choose. ``activation`` is that of the
    gate. ``harmless_keys`` are keys that only this architecture has.

    What a file has tells the rest: a bias, a head of its own and rotary factors are used where there are such tensors.
    A key that nobody reads and a tensor that nobody uses are refused, so a part that the recipe does not know cannot
    be left out silently.

    To say more of an architecture, add a field here whose default is what the others do, and follow it in
    graph/decoder.py and weights/calibration.py: a further norm (of queries and keys, or after a block) is a name in
    DecoderTensors that may be empty; a number (a scale of embeddings, a soft cap, the size of a partial rotary, a
    window) is read into DecoderConfig; what differs between layers is a function of the layer; rows of a fused tensor
    are a :class:`weights.matrices.Part`; another scaling of the rotary frequencies belongs to
    :func:`decoder_config.rotary_frequencies`.
    """

    name: str
    hf_class: str
    rotary_pairs: bool
    activation: Activation = "silu"
    tensors: DecoderTensors = DecoderTensors()
    harmless_keys: frozenset[str] = frozenset()

    def key(self, suffix: str) -> str:
        """Return the full name of a key."""
        return f"{self.name}.{suffix}"
