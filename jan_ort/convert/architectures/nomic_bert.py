"""Nomic's BERT: rotation in place of positions, a gate, and no biases.

Source: Nussbaum et al. 2024, arXiv:2402.01613; NomicBertModel of transformers, whose
config.json has other names than that of the model's makers.
"""

from __future__ import annotations

from jan_ort.convert.architectures.encoder import Encoder

_LAYER = "encoder.layers.{layer}."

_HARMLESS_KEYS = (
    "dense_seq_output fused_bias_fc fused_dropout_add_ln qkv_proj_bias mlp_fc1_bias mlp_fc2_bias "  # a bias: a tensor
    "max_trained_positions mlp_dropout_pdrop pad_vocab_size_multiple reorder_and_upcast_attn summary_activation "
    "summary_first_dropout summary_proj_to_labels summary_type summary_use_proj use_flash_attn use_xentropy "
    "last_layer_subset checkpoint_lvl vocab_tie embedding_dropout_prob add_pooling_layer"
)

NOMIC_BERT = Encoder(
    name="nomic_bert",
    tensors={
        "embeddings.word_embeddings": "words",
        "embeddings.token_type_embeddings": "types",
        "emb_ln": "embedding_norm",
        f"{_LAYER}attn.Wqkv": "qkv",
        f"{_LAYER}attn.out_proj": "attention_output",
        f"{_LAYER}norm1": "attention_norm",
        f"{_LAYER}mlp.fc11": "up",
        f"{_LAYER}mlp.fc12": "gate",
        f"{_LAYER}mlp.fc2": "down",
        f"{_LAYER}norm2": "mlp_norm",
        "pooler.dense": "head_dense",
        "classifier": "head_output",
    },
    prefixes=("bert.", "nomic_bert."),
    unused=r"(cls|lm_head)\..*",
    gguf="nomic-bert",
    rotates=True,
    theta=1000.0,
    defaults={"layer_norm_eps": 1e-12, "type_vocab_size": 2, "activation": "silu"},
    neutral={
        "causal": (False,),
        "parallel_block": (False,),
        "parallel_block_tied_norm": (False,),
        "prenorm": (False,),
        "rotary_emb_fraction": (1, 1.0),
        "rotary_emb_interleaved": (False,),
        "rotary_scaling_factor": (1, 1.0),
        "scale_attn_by_inverse_layer_idx": (False,),
        "scale_attn_weights": (True,),
        "use_rms_norm": (False,),
        "num_experts": (0,),
        "moe_every_n_layers": (0,),
        "moe_top_k": (0,),
    },
    harmless=frozenset(_HARMLESS_KEYS.split()),
)
