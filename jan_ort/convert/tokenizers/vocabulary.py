"""The vocabulary of a GGUF file, of whatever kind: its tokens, and those that begin and end a text."""

from __future__ import annotations

from typing import Any

from tokenizers import AddedToken

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.known_tokens import CONTROL, NORMAL, UNKNOWN, USER_DEFINED, KnownTokens
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults, read_special_tokens

_ADDED = frozenset({CONTROL, USER_DEFINED, UNKNOWN})
_PHI3_KEEPS_SPACES_AFTER = frozenset({"<unk>", "<s>", "<|endoftext|>"})


class Vocabulary:
    """The tokens of ``source``, checked; ``defaults`` hold where the file says nothing of special tokens."""

    def __init__(self, source: GgufFile, defaults: SpecialDefaults) -> None:
        self._source = source
        given = source.strings("tokenizer.ggml.tokens")
        self.tokens = [token or f"[EMPTY_{token_id}]" for token_id, token in enumerate(given)]
        self.ids = {token: token_id for token_id, token in enumerate(self.tokens)}
        key = "tokenizer.ggml.token_type"
        types = source.integers(key) if key in source else [NORMAL] * len(given)
        if len(types) != len(self.tokens) or len(self.ids) != len(self.tokens):
            source.refuse("the vocabulary has duplicate tokens or tokens without a type; the file is damaged")
        known = KnownTokens(source, self.ids, types)
        self.types = known.types
        self.special = read_special_tokens(source, len(self.tokens), defaults, known.end_ids)

    @property
    def unknown(self) -> str | None:
        """The token for what no token stands for."""
        return None if self.special.unknown is None else self.tokens[self.special.unknown]

    def scores(self) -> list[float]:
        """Return each token's score. Raises: ConversionError."""
        scores = self._source.floats("tokenizer.ggml.scores")
        if len(scores) != len(self.tokens):
            self._source.refuse("the vocabulary has tokens without a score; the file is damaged")
        return scores

    def added_tokens(self) -> list[AddedToken]:
        """Return the tokens that are found in a text before it is split: control tokens, and the user's."""
        drops_before, drops_after = self._beside_spaces()
        return [
            AddedToken(
                token,
                special=kind != USER_DEFINED,
                normalized=False,
                lstrip=token == drops_before,
                rstrip=drops_after and token not in _PHI3_KEEPS_SPACES_AFTER,
            )
            for token, kind in zip(self.tokens, self.types, strict=True)
            if kind in _ADDED
        ]

    def _beside_spaces(self) -> tuple[str | None, bool]:
        """Return which token takes the spaces before it, and whether most take those after; llama.cpp goes by names."""
        name = self._source.string("general.name", "").lower()
        pre = self._source.string("tokenizer.ggml.pre", "")
        architecture = self._source.string("general.architecture", "")
        if any(each in pre for each in ("jina-v2-de", "jina-v2-es", "jina-v2-code")) or any(
            each in architecture for each in ("nomic-bert-moe", "jina-bert-v3")
        ):
            return "<mask>", False
        if "phi-3" in name or "phi3" in name:
            return None, True
        return "[MASK]" if "modern-bert" in name else None, False

    def to_json(self, max_length: int) -> dict[str, Any]:
        """Return tokenizer_config.json."""
        bos, eos = self.special.bos, self.special.eos
        return {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": None if bos is None else self.tokens[bos],
            "eos_token": None if eos is None else self.tokens[eos],
            "add_bos_token": self.special.add_bos,
            "model_max_length": max_length,
            "clean_up_tokenization_spaces": False,
        }
