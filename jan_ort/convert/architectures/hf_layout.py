"""How Hugging Face checkpoints spell an architecture: names of tensors, keys of config.json, and what those imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jan_ort.convert.architectures.decoder import Decoder

_LAYER = "model.layers.{layer}."

TENSORS: Mapping[str, str] = MappingProxyType(
    {
        "model.embed_tokens": "embedding",
        "model.norm": "output_norm",
        "lm_head": "head",
        f"{_LAYER}input_layernorm": "attention_norm",
        f"{_LAYER}self_attn.q_proj": "query",
        f"{_LAYER}self_attn.k_proj": "key",
        f"{_LAYER}self_attn.v_proj": "value",
        f"{_LAYER}self_attn.o_proj": "attention_output",
        f"{_LAYER}self_attn.q_norm": "query_norm",
        f"{_LAYER}self_attn.k_norm": "key_norm",
        f"{_LAYER}post_attention_layernorm": "mlp_norm",
        f"{_LAYER}mlp.gate_proj": "gate",
        f"{_LAYER}mlp.up_proj": "up",
        f"{_LAYER}mlp.down_proj": "down",
    }
)
"""The names of most checkpoints, without ".weight" and ".bias", and which field of DecoderTensors each is."""

FOUR_NORMS: Mapping[str, str] = MappingProxyType(
    {
        **TENSORS,
        f"{_LAYER}post_attention_layernorm": "attention_post_norm",
        f"{_LAYER}pre_feedforward_layernorm": "mlp_norm",
        f"{_LAYER}post_feedforward_layernorm": "mlp_post_norm",
    }
)
"""The names where the norm of that name really stands behind attention."""

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "hidden_size": "embedding_length",
        "num_hidden_layers": "block_count",
        "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv",
        "head_dim": "attention.key_length",
        "intermediate_size": "feed_forward_length",
        "rms_norm_eps": "attention.layer_norm_rms_epsilon",
        "layer_norm_eps": "attention.layer_norm_epsilon",
        "max_position_embeddings": "context_length",
    }
)
"""Keys of config.json, and what llama.cpp calls them after the architecture's name."""

EXPERTS: Mapping[str, str] = MappingProxyType(
    {
        "num_experts": "expert_count",
        "num_local_experts": "expert_count",
        "num_experts_per_tok": "expert_used_count",
        "moe_intermediate_size": "expert_feed_forward_length",
        "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
        "norm_topk_prob": "expert_weights_norm",
    }
)
"""Keys of experts."""

EXPERT_TENSORS: Mapping[str, str] = MappingProxyType(
    {
        **TENSORS,
        f"{_LAYER}mlp.gate": "router",
        f"{_LAYER}mlp.experts.gate_proj": "expert_gate",
        f"{_LAYER}mlp.experts.up_proj": "expert_up",
        f"{_LAYER}mlp.experts.down_proj": "expert_down",
        f"{_LAYER}mlp.shared_expert_gate": "shared_router",
        f"{_LAYER}mlp.shared_expert.gate_proj": "shared_gate",
        f"{_LAYER}mlp.shared_expert.up_proj": "shared_up",
        f"{_LAYER}mlp.shared_expert.down_proj": "shared_down",
    }
)
"""The names of checkpoints with experts, without the experts' numbers."""

SOFT_CAPS: Mapping[str, str] = MappingProxyType(
    {"attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping"}
)

_HARMLESS_KEYS = (
    "architectures model_type torch_dtype dtype transformers_version use_cache initializer_range vocab_size "
    "bos_token_id eos_token_id pad_token_id unk_token_id sep_token_id decoder_start_token_id cls_token_id "
    "attention_dropout hidden_dropout embedding_dropout residual_dropout resid_pdrop embd_pdrop attn_pdrop "
    "classifier_dropout attention_bias mlp_bias use_bias use_qkv_bias bias qkv_bias "  # a bias is a tensor
    "pretraining_tp "  # slices products whose sum is the same
    "_name_or_path _attn_implementation_autoset _attn_implementation attn_implementation _commit_hash auto_map "
    "output_attentions output_hidden_states return_dict use_return_dict torchscript use_bfloat16 "
    "is_decoder chunk_size_feed_forward id2label label2id num_labels problem_type finetuning_task "
    "tokenizer_class prefix task_specific_params cache_implementation pruned_heads tie_encoder_decoder "
    "max_length min_length do_sample early_stopping num_beams num_beam_groups diversity_penalty temperature top_k "
    "top_p typical_p repetition_penalty length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids "
    "num_return_sequences output_scores return_dict_in_generate forced_bos_token_id forced_eos_token_id "
    "remove_invalid_values exponential_decay_length_penalty suppress_tokens begin_suppress_tokens "
    "output_router_logits router_aux_loss_coef router_jitter_noise "  # of training
    "cross_attention_hidden_size tf_legacy_loss unsloth_version unsloth_fixed _num_labels output_past "
    "gradient_checkpointing use_reentrant_checkpointing neftune_noise_alpha _flash_attn_2_enabled "
    "max_sequence_length model_max_length tokenizer_model_max_length tokenizer_padding_side "  # the model's is followed
    "is_llama_config is_qwen2_config is_starcoder2_config transformers.js_config "  # of the program that saved it
    "pixel_shuffle_factor perceiver_config"  # of images, beside a text's
)
HARMLESS = frozenset(_HARMLESS_KEYS.split())
"""Keys that change nothing that is computed, in any architecture."""

NEUTRAL: Mapping[str, tuple[object, ...]] = MappingProxyType(
    {
        "add_cross_attention": (False,),
        "is_encoder_decoder": (False,),
        "lm_head_bias": (False,),
        "qk_layer_norms": (False,),
        "rope_interleaved": (False,),
        "use_bidirectional_attention": (False,),
        "use_mrope": (False,),
        "use_resampler": (False,),
        "use_sliding_window": (False,),
    }
)
"""The values of keys at which they change nothing."""


def unchanged(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config.json as it is."""
    return config


def within_a_chunk(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config.json of a model of a million tokens with no more of them than one chunk has.

    Such models attend in chunks, in each of which positions count anew; up to the first's end that is what others do.
    """
    chunks = config.get("dual_chunk_attention_config")
    stated = chunks if isinstance(chunks, dict) else {}
    chunk, local, length = stated.get("chunk_size"), stated.get("local_size"), config.get("max_position_embeddings")
    if not (type(chunk) is type(local) is type(length) is int and 0 < local < chunk):
        return config
    others = {key: value for key, value in config.items() if key != "dual_chunk_attention_config"}
    return others | {"max_position_embeddings": min(chunk - local, length)}


@dataclass(frozen=True, slots=True)
class HfLayout:
    """An architecture as checkpoints of one ``model_type`` have it; the recipe is ``decoder``, in this order of rows.

    ``tensors`` and ``keys`` say where the fields of DecoderTensors and the keys of GGUF files are found here; a name
    that means no field of this architecture is refused. ``defaults`` are what transformers takes for a key that
    config.json lacks. ``neutral`` values of keys change nothing; ``harmless`` keys do at no value.
    ``norm_offset`` is added to the weights of norms. ``transposed``: matrices of layers stand on their side.
    ``standing_experts``: where all experts are one tensor, it stands on its side, and gate and way up take turns.
    ``quantization``: how weights may be quantised. ``grouped_qkv``: a fused projection has each key-value head behind
    the queries that share it. ``old_gelu``: "gelu" means the approximation with tanh. ``last_windows``: those layers
    have windows, where no list says which, that come after ``max_window_layers``, and only if ``use_sliding_window`` is
    true.
    Tensors are ``passed_over`` whose names begin so: nothing of a text's logits needs them.
    ``prepare`` computes keys of others, before anything is read.
    """

    model_type: str
    decoder: Decoder
    tensors: Mapping[str, str] = field(default_factory=lambda: TENSORS)
    keys: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    neutral: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    harmless: frozenset[str] = frozenset()
    norm_offset: float = 0.0
    transposed: bool = False
    standing_experts: bool = False
    quantization: str = ""
    grouped_qkv: bool = False
    old_gelu: bool = False
    last_windows: bool = False
    passed_over: tuple[str, ...] = ()
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = unchanged
