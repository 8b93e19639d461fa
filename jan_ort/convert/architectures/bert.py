"""BERT: MiniLM, BGE, E5, GTE and most other small sentence embedders.

Source: Devlin et al. 2018, arXiv:1810.04805; BertModel of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from jan_ort.convert.architectures.encoder import Encoder

_LAYER = "encoder.layer.{layer}."

BERT_TENSORS: Mapping[str, str] = MappingProxyType(
    {
        "embeddings.word_embeddings": "words",
        "embeddings.position_embeddings": "positions",
        "embeddings.token_type_embeddings": "types",
        "embeddings.LayerNorm": "embedding_norm",
        f"{_LAYER}attention.self.query": "query",
        f"{_LAYER}attention.self.key": "key",
        f"{_LAYER}attention.self.value": "value",
        f"{_LAYER}attention.output.dense": "attention_output",
        f"{_LAYER}attention.output.LayerNorm": "attention_norm",
        f"{_LAYER}intermediate.dense": "up",
        f"{_LAYER}output.dense": "down",
        f"{_LAYER}output.LayerNorm": "mlp_norm",
    }
)

BERT = Encoder(
    name="bert",
    tensors={**BERT_TENSORS, "pooler.dense": "head_dense", "classifier": "head_output"},
    prefixes=("bert.",),
    unused=r"cls\..*",
    gguf="bert",
    defaults={"layer_norm_eps": 1e-12, "type_vocab_size": 2, "activation": "gelu"},
)
