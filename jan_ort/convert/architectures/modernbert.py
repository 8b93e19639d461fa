"""ModernBERT: norms before the blocks, rotation, gates, and windows in two of three layers.

Source: Warner et al. 2024, arXiv:2412.13663; ModernBertModel of transformers.
"""

from __future__ import annotations

from jan_ort.convert.architectures.encoder import Encoder

_LAYER = "layers.{layer}."

_HARMLESS_KEYS = (
    "norm_bias decoder_bias classifier_bias mlp_dropout initializer_cutoff_factor deterministic_flash_attn "
    "reference_compile repad_logits_with_grad sparse_pred_ignore_index sparse_prediction"  # a bias: a tensor
)

MODERNBERT = Encoder(
    name="modernbert",
    tensors={
        "embeddings.tok_embeddings": "words",
        "embeddings.norm": "embedding_norm",
        f"{_LAYER}attn_norm": "attention_norm",
        f"{_LAYER}attn.Wqkv": "qkv",
        f"{_LAYER}attn.Wo": "attention_output",
        f"{_LAYER}mlp_norm": "mlp_norm",
        f"{_LAYER}mlp.Wi": "gate_up",
        f"{_LAYER}mlp.Wo": "down",
        "final_norm": "output_norm",
        "head.dense": "head_dense",
        "head.norm": "head_norm",
        "classifier": "head_output",
    },
    prefixes=("model.",),
    unused=r"decoder\..*",
    norm_first=True,
    rotates=True,
    theta=160_000.0,
    head_activation="gelu",
    defaults={
        "layer_norm_eps": 1e-5,
        "activation": "gelu",
        "max_position_embeddings": 8192,
        "local_attention": 128,
        "global_attn_every_n_layers": 3,
    },
    neutral={"classifier_activation": ("gelu",), "embedding_norm": (True,), "causal_mask": (False,)},
    harmless=frozenset(_HARMLESS_KEYS.split()),
)
