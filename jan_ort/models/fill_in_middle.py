"""Filling the gap between a prompt and a suffix, for models that were trained to (hop 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jan_ort.models.tokenizer import TextTokenizer

SPELLINGS = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen2.5-Coder, CodeGemma
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder, SantaCoder's successors
    ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),  # SantaCoder
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek-Coder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
    ("<PRE>", "<SUF>", "<MID>"),
)
"""The tokens before the prompt, before the suffix and before the gap's text, as the models' cards give them."""

NUM_MARKERS = 3
"""Tokens that a prompt with a gap has beside prompt and suffix."""


@dataclass(frozen=True, slots=True)
class FillInMiddle:
    """The three token ids that mark prompt, suffix and gap, in this order: the prefix-suffix-middle form."""

    prefix: int
    suffix: int
    middle: int

    @classmethod
    def find(cls, tokenizer: TextTokenizer) -> FillInMiddle | None:
        """Return the model's tokens, None if it has none of the known sets."""
        for names in SPELLINGS:
            token_ids = [token_id for name in names if (token_id := tokenizer.token_id(name)) is not None]
            if len(token_ids) == len(names):
                return cls(*token_ids)
        return None

    def prompt(
        self, prompt: NDArray[np.int64], suffix: NDArray[np.int64], bos_token_id: int | None = None
    ) -> NDArray[np.int64]:
        """Return the token ids after which the model writes what belongs between the two; BOS stays in front."""
        has_bos = bos_token_id is not None and prompt[:1].tolist() == [bos_token_id]
        return np.concatenate(
            [prompt[: int(has_bos)], [self.prefix], prompt[int(has_bos) :], [self.suffix], suffix, [self.middle]]
        ).astype(np.int64)
