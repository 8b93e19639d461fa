"""DistilBERT: BERT with half the layers, and without token types.

Source: Sanh et al. 2019, arXiv:1910.01108; DistilBertModel of transformers.
"""

from __future__ import annotations

from jan_ort.convert.architectures.encoder import Encoder

_LAYER = "transformer.layer.{layer}."

DISTILBERT = Encoder(
    name="distilbert",
    tensors={
        "embeddings.word_embeddings": "words",
        "embeddings.position_embeddings": "positions",
        "embeddings.LayerNorm": "embedding_norm",
        f"{_LAYER}attention.q_lin": "query",
        f"{_LAYER}attention.k_lin": "key",
        f"{_LAYER}attention.v_lin": "value",
        f"{_LAYER}attention.out_lin": "attention_output",
        f"{_LAYER}sa_layer_norm": "attention_norm",
        f"{_LAYER}ffn.lin1": "up",
        f"{_LAYER}ffn.lin2": "down",
        f"{_LAYER}output_layer_norm": "mlp_norm",
        "pre_classifier": "head_dense",
        "classifier": "head_output",
    },
    prefixes=("distilbert.",),
    unused=r"vocab_(transform|layer_norm|projector)\..*",
    head_activation="relu",
    defaults={"layer_norm_eps": 1e-12, "activation": "gelu"},
    harmless=frozenset({"dropout", "qa_dropout", "seq_classif_dropout", "sinusoidal_pos_embds", "tie_weights_"}),
)
