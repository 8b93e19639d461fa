"""RoBERTa and XLM-RoBERTa: BERT whose first position is the one after that of padding, with a head of its own.

Source: Liu et al. 2019, arXiv:1907.11692; Conneau et al. 2019, arXiv:1911.02116; RobertaModel of transformers.
"""

from __future__ import annotations

from dataclasses import replace

from jan_ort.convert.architectures.bert import BERT_TENSORS
from jan_ort.convert.architectures.encoder import Encoder

ROBERTA = Encoder(
    name="roberta",
    tensors={**BERT_TENSORS, "classifier.dense": "head_dense", "classifier.out_proj": "head_output"},
    prefixes=("roberta.",),
    unused=r"(pooler|lm_head)\..*",
    past_padding=True,
    defaults={"layer_norm_eps": 1e-12, "type_vocab_size": 2, "activation": "gelu", "pad_token_id": 1},
)
XLM_ROBERTA = replace(ROBERTA, name="xlm-roberta")
CAMEMBERT = replace(ROBERTA, name="camembert")
