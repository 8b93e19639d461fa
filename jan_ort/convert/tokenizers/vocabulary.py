"""The vocabulary of a GGUF file, of whatever kind: its tokens, and those that begin and end a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken

from jan_ort.convert.inputs.gguf_file import GgufFile

_CONTROL, _USER_DEFINED = 3, 4  # tokenizer.ggml.token_type, llama.cpp's llama_token_type

# Tokens that end a generation in any model that has them (llama_vocab::impl::load in llama-vocab.cpp).
_END_TOKENS = frozenset(
    {
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|eom_id|>",
        "<EOT>",
        "_<EOT>",
        "<|end_of_text|>",
        "<end_of_utterance>",
        "</s>",
    }
)


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """The ids of the tokens that begin and end a text; ``end_ids`` all that end a generation, ``eos`` first."""

    bos: int | None
    eos: int
    end_ids: list[int]
    add_bos: bool


class Vocabulary:
    """The tokens of ``source``, checked; ``adds_bos`` is what holds where the file does not say it."""

    def __init__(self, source: GgufFile, *, adds_bos: bool) -> None:
        self._source = source
        self.tokens = source.strings("tokenizer.ggml.tokens")
        self._types = source.integers("tokenizer.ggml.token_type")
        if len(self._types) != len(self.tokens) or len(set(self.tokens)) != len(self.tokens):
            source.refuse("the vocabulary has duplicate tokens or tokens without a type; the file is damaged")
        self.special = self._special_tokens(adds_bos)

    def _special_tokens(self, adds_bos: bool) -> SpecialTokens:
        eos = self._token_id("eos")
        if eos is None:
            self._source.refuse("metadata key 'tokenizer.ggml.eos_token_id' is missing: generation would not end")
        bos = self._token_id("bos")
        named = [eos, self._token_id("eot"), self._token_id("eom")]
        by_text = [token_id for token_id, text in enumerate(self.tokens) if text in _END_TOKENS]
        end_ids = list(dict.fromkeys(token_id for token_id in [*named, *by_text] if token_id is not None))
        add_bos = self._source.boolean("tokenizer.ggml.add_bos_token", adds_bos)
        return SpecialTokens(bos, eos, end_ids, add_bos and bos is not None)

    def _token_id(self, kind: str) -> int | None:
        key = f"tokenizer.ggml.{kind}_token_id"
        if key not in self._source:
            return None
        return self._source.integer(key, low=0, high=len(self.tokens) - 1)

    def added_tokens(self) -> list[AddedToken]:
        """Return the tokens that are found in a text before it is split: control tokens, and the user's."""
        return [
            AddedToken(token, special=kind == _CONTROL, normalized=False)
            for token, kind in zip(self.tokens, self._types, strict=True)
            if kind in (_CONTROL, _USER_DEFINED) and token
        ]

    def to_json(self, max_length: int) -> dict[str, Any]:
        """Return tokenizer_config.json."""
        bos = self.special.bos
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None if bos is None else self.tokens[bos],
            "eos_token": self.tokens[self.special.eos],
            "add_bos_token": self.special.add_bos,
            "model_max_length": max_length,
            "clean_up_tokenization_spaces": False,
        }
