"""MPNet: positions as in RoBERTa, and biases of the scores by distance.

Source: Song et al. 2020, arXiv:2004.09297; MPNetModel of transformers.
"""

from __future__ import annotations

from jan_ort.convert.architectures.encoder import Encoder

_LAYER = "encoder.layer.{layer}."

MPNET = Encoder(
    name="mpnet",
    tensors={
        "embeddings.word_embeddings": "words",
        "embeddings.position_embeddings": "positions",
        "embeddings.LayerNorm": "embedding_norm",
        "encoder.relative_attention_bias": "relative",
        f"{_LAYER}attention.attn.q": "query",
        f"{_LAYER}attention.attn.k": "key",
        f"{_LAYER}attention.attn.v": "value",
        f"{_LAYER}attention.attn.o": "attention_output",
        f"{_LAYER}attention.LayerNorm": "attention_norm",
        f"{_LAYER}intermediate.dense": "up",
        f"{_LAYER}output.dense": "down",
        f"{_LAYER}output.LayerNorm": "mlp_norm",
        "classifier.dense": "head_dense",
        "classifier.out_proj": "head_output",
    },
    prefixes=("mpnet.",),
    unused=r"(pooler|lm_head)\..*",
    past_padding=True,
    relative_buckets=True,
    defaults={"layer_norm_eps": 1e-12, "activation": "gelu", "pad_token_id": 1},
    neutral={"relative_attention_num_buckets": (32,)},
)
