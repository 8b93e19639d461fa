"""What tells one encoder from another: a recipe that the reader of its checkpoint and the graph follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

Activation = Literal["gelu", "gelu_pytorch_tanh", "quick_gelu", "silu", "relu", "tanh"]

HEAD_ROLES = frozenset({"head_dense", "head_norm", "head_output"})
"""What only a model that scores pairs has, on top of the encoder."""

GGUF_TENSORS: Mapping[str, str] = MappingProxyType(
    {
        "token_embd": "words",
        "position_embd": "positions",
        "token_types": "types",
        "token_embd_norm": "embedding_norm",
        "blk.{layer}.attn_qkv": "qkv",
        "blk.{layer}.attn_q": "query",
        "blk.{layer}.attn_k": "key",
        "blk.{layer}.attn_v": "value",
        "blk.{layer}.attn_output": "attention_output",
        "blk.{layer}.attn_output_norm": "attention_norm",
        "blk.{layer}.ffn_gate": "gate",
        "blk.{layer}.ffn_up": "up",
        "blk.{layer}.ffn_down": "down",
        "blk.{layer}.layer_output_norm": "mlp_norm",
        "cls": "head_dense",
        "cls.norm": "head_norm",
        "cls.output": "head_output",
    }
)
"""What llama.cpp calls the tensors, without ".weight" and ".bias"."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """An architecture that reads a text at once: ``name`` is config.json's model_type, ``gguf`` is llama.cpp's name.

    ``tensors`` says what each tensor of a checkpoint is, named without ".weight" and ".bias"; ``{layer}`` stands for
    the layer's number. Before the name may be one of ``prefixes``, in a checkpoint with a head. ``unused`` is a
    regular expression for tensors of heads that nobody asks for.

    ``norm_first``: a block reads its input behind a norm, and the sum has one only at the end (the first block may have
    none: it stands behind that of the embeddings). ``past_padding``: the first token has the position after that of
    padding. ``relative_buckets``: distances share so many biases of the scores, as in T5. ``rotates``: queries and keys
    rotate, with the base ``theta`` where config.json says none, and ``local_theta`` in layers with a window.
    ``gate_first``: of one matrix with gate and way up, those rows come first. ``head_activation`` stands between the
    two products of a head.

    ``defaults`` are for keys that config.json lacks, ``neutral`` values of keys change nothing, and ``harmless`` keys
    do at no value. Any other key is refused, for it may change the vectors.
    """

    name: str
    tensors: Mapping[str, str]
    prefixes: tuple[str, ...] = ()
    unused: str = r"(?!)"
    gguf: str = ""
    norm_first: bool = False
    past_padding: bool = False
    relative_buckets: bool = False
    rotates: bool = False
    theta: float = 10_000.0
    local_theta: float = 10_000.0
    head_activation: Activation = "tanh"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    neutral: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    harmless: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The sizes of an encoder. ``windows`` has each layer's: how many tokens it sees on either side, 0 for all.

    ``num_positions`` are those that a text may have; ``first_position`` is the row of the first. ``thetas`` are the
    rotary bases by layer. ``num_labels`` numbers come from a head, 0 without one, which pools as ``head_pooling`` says.
    """

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    num_positions: int
    type_vocab_size: int
    layer_norm_eps: float
    activation: Activation
    windows: tuple[int, ...]
    thetas: tuple[float, ...]
    first_position: int = 0
    num_labels: int = 0
    head_pooling: Literal["cls", "mean"] = "cls"

    @property
    def head_dim(self) -> int:
        """The width of an attention head."""
        return self.hidden_size // self.num_attention_heads
