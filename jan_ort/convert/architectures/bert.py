"""BERT: MiniLM, BGE, E5, GTE and most other small sentence embedders.

Source: Devlin et al. 2018, arXiv:1810.04805; BertModel of transformers.
"""

from __future__ import annotations

from jan_ort.convert.architectures.encoder import Encoder

BERT = Encoder(name="bert", prefix="bert.")
