"""What tells one decoder from another: a recipe that the reader of keys and the forward pass follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Literal

Activation = Literal["silu", "gelu", "gelu_pytorch_tanh"]
"""The activations of a feed-forward block, by the names of config.json."""

NormKind = Literal["rms", "layer"]
"""Norms by the root mean square, and those that subtract the mean first and may have a bias."""

Mlp = Literal["gated", "fused", "plain"]
"""A gate beside the way up; both as one tensor, the gate first; no gate."""

Parallel = Literal["never", "always", "without mlp_norm"]

StateKind = Literal["short convolution", "delta net"]
"""What layers have that do not attend: see architectures/states.py."""

HARMLESS_KEYS = frozenset(
    {
        "attention.layer_norm_epsilon",  # of one kind of norm or the other: the recipe's is read
        "attention.layer_norm_rms_epsilon",
        "pooling_type",  # of an embedding, which no decoder makes
        "rope.scaling.finetuned",
        "rope.scaling.original_context_length",  # read where a scaling needs it
        "tensor_data_layout",
        "use_parallel_residual",  # written into any file by old converters, read for other architectures
        "vocab_size",  # the embedding has as many rows
    }
)
"""Keys, without the architecture's name, whose value changes nothing that is computed."""

NEUTRAL_VALUES: Mapping[str, tuple[float | bool, ...]] = MappingProxyType(
    {
        "attention.clamp_kqv": (0,),
        "attention.max_alibi_bias": (0,),
        "attention.scale": (0,),
        "attention.sliding_window": (0,),
        "attention.temperature_scale": (0,),
        "attn_logit_softcapping": (0,),
        "embedding_scale": (0, 1),
        "expert_count": (0,),
        "expert_gating_func": (0, 1),
        "expert_group_count": (0, 1),
        "expert_group_used_count": (0, 1),
        "expert_shared_feed_forward_length": (0,),
        "expert_used_count": (0,),
        "expert_weights_scale": (0, 1),
        "final_logit_softcapping": (0,),
        "leading_dense_block_count": (0,),
        "logit_scale": (0, 1),
        "nextn_predict_layers": (0,),
        "residual_scale": (0, 1),
        "rope.scaling.yarn_attn_factor": (1,),
        "rope.scaling.yarn_beta_fast": (32,),
        "rope.scaling.yarn_beta_slow": (1,),
        "rope.scaling.yarn_ext_factor": (1,),
        "rope.scaling.yarn_log_multiplier": (0,),
    }
)
"""The values of keys at which the part of a model that they are about is as if it were not there."""


@dataclass(frozen=True, slots=True)
class DecoderTensors:
    """The names of the tensors without ".weight" and ".bias"; ``{layer}`` stands for the layer's number.

    A norm that is "" is not there. A file may have ``qkv`` instead of query, key and value. A layer may have
    a ``router`` and experts, all of one kind in one tensor, and beside them a block for all tokens; a ``correction`` is
    added to what chooses. With an ``experts_norm`` they stand beside the dense block, both with norms of their own
    behind them; the router reads the normed residual times ``router_scale``, and an expert's way down is multiplied by
    its number in ``expert_scale``, both of which are whole names.
    A ``latent`` vector is what keys and values are made of (see :mod:`architectures.latent`).
    A ``layer_embedding`` has a token's vectors for all layers, side by side, and ``layer_context`` makes others of its
    embedding; a layer adds what ``layer_output`` makes of its own, and multiplies all by the number ``layer_scale``,
    which is a whole name.
    """

    embedding: str = "token_embd"
    positions: str = ""
    output_norm: str = "output_norm"
    head: str = "output"
    rotary_factors: str = "rope_freqs"
    long_factors: str = "rope_factors_long"
    short_factors: str = "rope_factors_short"
    attention_norm: str = "blk.{layer}.attn_norm"
    qkv: str = "blk.{layer}.attn_qkv"
    query: str = "blk.{layer}.attn_q"
    key: str = "blk.{layer}.attn_k"
    value: str = "blk.{layer}.attn_v"
    query_norm: str = ""
    key_norm: str = ""
    attention_output: str = "blk.{layer}.attn_output"
    attention_sinks: str = ""
    attention_post_norm: str = ""
    mlp_norm: str = "blk.{layer}.ffn_norm"
    gate: str = "blk.{layer}.ffn_gate"
    up: str = "blk.{layer}.ffn_up"
    down: str = "blk.{layer}.ffn_down"
    mlp_post_norm: str = ""
    query_down: str = ""
    query_down_norm: str = ""
    query_up: str = ""
    latent: str = ""
    latent_norm: str = ""
    latent_keys: str = ""
    latent_values: str = ""
    router: str = "blk.{layer}.ffn_gate_inp"
    router_correction: str = ""
    expert_gate: str = "blk.{layer}.ffn_gate_exps"
    expert_up: str = "blk.{layer}.ffn_up_exps"
    expert_down: str = "blk.{layer}.ffn_down_exps"
    expert_scale: str = ""
    router_scale: str = ""
    experts_norm: str = ""
    experts_post_norm: str = ""
    dense_post_norm: str = ""
    shared_router: str = ""
    shared_gate: str = ""
    shared_up: str = ""
    shared_down: str = ""
    state_input: str = ""
    convolution: str = ""
    state_gate: str = ""
    update: str = ""
    decay: str = ""
    decay_rate: str = ""
    decay_bias: str = ""
    state_scale: str = ""
    state_output: str = ""
    layer_embedding: str = ""
    layer_context: str = ""
    layer_context_norm: str = ""
    layer_gate: str = ""
    layer_output: str = ""
    layer_output_norm: str = ""
    layer_scale: str = ""

    def of(self, layer: int) -> DecoderTensors:
        """Return the names of one layer."""
        return DecoderTensors(**{each.name: getattr(self, each.name).format(layer=layer) for each in fields(self)})


QUERY_KEY_NORMS: Mapping[str, str] = MappingProxyType(
    {"query_norm": "blk.{layer}.attn_q_norm", "key_norm": "blk.{layer}.attn_k_norm"}
)
"""What llama.cpp calls the norms of queries and keys."""

POST_NORMS: Mapping[str, str] = MappingProxyType(
    {"attention_post_norm": "blk.{layer}.post_attention_norm", "mlp_post_norm": "blk.{layer}.post_ffw_norm"}
)
"""What llama.cpp calls the norms behind the blocks."""


SHARED_EXPERTS: Mapping[str, str] = MappingProxyType(
    {
        "shared_gate": "blk.{layer}.ffn_gate_shexp",
        "shared_up": "blk.{layer}.ffn_up_shexp",
        "shared_down": "blk.{layer}.ffn_down_shexp",
    }
)
"""What llama.cpp calls the matrices of the experts that all tokens go through."""


@dataclass(frozen=True, slots=True)
class Experts:
    """Feed-forward blocks of which each token goes through a few, chosen by a router.

    ``normalized``: the weights of the chosen ones have the sum 1, unless the file says otherwise; else they are shares
    of all. With SiLU the gate is ``gate · sigmoid(alpha · gate) · (up + beta)``, with both cut at ``limit``, 0 for no
    limit.
    """

    normalized: bool = True
    alpha: float = 1.0
    beta: float = 0.0
    limit: float = 0.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Attention to the last tokens only, in all layers but the last of each ``period``, unless the file has a pattern.

    Where attention is not causal, half as many are seen on either side.

    ``default`` is the size where the file says none, 0 for no windows. ``num_layers``, if not 0: only models of so many
    layers have any. ``rotary_theta`` is the rotary base of these layers where the file says none; 0 for that of the
    others. ``scaled``: the scaling of rotary frequencies is theirs too. ``rotary_outside``: the other layers rotate.
    """

    period: int
    default: int = 0
    num_layers: int = 0
    rotary_theta: float = 0.0
    scaled: bool = True
    rotary_outside: bool = True


@dataclass(frozen=True, slots=True)
class Decoder:
    """An architecture of GGUF files: layers of grouped-query attention and a feed-forward block, with norms.

    ``name`` is the value of general.architecture, begins the names of the keys, and is config.json's model_type;
    ``hf_class`` is its architecture there. ``rotary_pairs``: the file has the rows of queries and keys in llama.cpp's
    order, rotary pairs side by side, which is for the converter that wrote it to choose. ``parallel``: both blocks read
    the same residual, always or where the feed-forward block has no norm; one without a norm reads the other's.

    ``norm`` is the kind of all norms, ``activation`` that of the feed-forward block, ``mlp`` its matrices.
    ``causal`` False: tokens see those behind them, too, unless the file says other; such a model only reads.
    ``rotates`` False: positions are learned. ``partial_rotary``: some values of a head may not rotate.
    ``unrotated_period``: the last of each so many layers does not rotate. ``axes_in_blocks``: of the three positions
    of an image's tokens the first pairs of a head rotate by one, the next by another; else they take turns.
    ``windows``: layers that see only the last tokens. ``state``: what layers have that do not attend, if there are any.
    ``unit_eps``: what keeps a delta net's keys of length 1 from being divided by 0, if not the norms' epsilon.
    ``tiled_values``: its value heads that share a key lie apart. ``gated_queries``: each head of queries has a gate
    of its size behind it, for what the head sees. ``drafts_behind``: the last layers, as many as nextn_predict_layers
    says, only draft tokens. ``experts``: layers may have some.
    ``latent``: keys and values of all heads are made of one vector.
    ``scales_embedding``: by the root of the hidden size. ``divides_logits``: by logit_scale, where others multiply.
    ``layers_differ``: in the numbers of key-value heads and of hidden values in the feed-forward block, and those with
    a window in the size of a head; the last ``attention.shared_kv_layers`` read the keys and values of earlier ones.
    ``norms_values``: a head's values are normed, too, without a weight; a layer without values of its own takes its
    keys. ``layer_embeddings``: a token may have a vector for each layer.
    ``wide_scale_layers``: in a model with so many layers scores are scaled by the hidden size's share of a head instead
    of the head's size. ``half_residual``: what the residual is multiplied by in a float16 graph, where it would be
    infinite otherwise.

    ``keys`` are followed where others refuse them, each with its value where the file has none; ``harmless_keys``
    change nothing in this architecture only.

    What a file has tells the rest: a bias, a head of its own, fused rows and rotary factors are used where there are
    such tensors. A key that nobody reads and a tensor that nobody uses are refused, so a part that the recipe does not
    know cannot be left out silently.

    To say more of an architecture, add a field here whose default is what the others do, and follow it in
    graph/forward.py, which the graph and the calibration share. A number is read into DecoderConfig; another scaling of
    the rotary frequencies belongs to :mod:`architectures.rotary`.
    """

    name: str
    hf_class: str
    rotary_pairs: bool
    norm: NormKind = "rms"
    activation: Activation = "silu"
    mlp: Mlp = "gated"
    parallel: Parallel = "never"
    causal: bool = True
    rotates: bool = True
    partial_rotary: bool = False
    unrotated_period: int = 0
    axes_in_blocks: bool = False
    windows: Windows | None = None
    experts: Experts | None = None
    state: StateKind | None = None
    unit_eps: float = 0.0
    tiled_values: bool = False
    gated_queries: bool = False
    drafts_behind: bool = False
    latent: bool = False
    scales_embedding: bool = False
    divides_logits: bool = False
    half_residual: float = 1.0
    wide_scale_layers: int = 0
    layers_differ: bool = False
    norms_values: bool = False
    layer_embeddings: bool = False
    tensors: DecoderTensors = DecoderTensors()
    keys: Mapping[str, float] = field(default_factory=dict)
    harmless_keys: frozenset[str] = frozenset()

    def key(self, suffix: str) -> str:
        """Return the full name of a key."""
        return f"{self.name}.{suffix}"
