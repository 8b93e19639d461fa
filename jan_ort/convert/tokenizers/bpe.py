"""The tokenizer of a GGUF file as a `tokenizers.Tokenizer`, equal to llama.cpp's token for token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors

from jan_ort.convert.inputs.gguf_file import GgufFile

_CONTROL, _USER_DEFINED = 3, 4  # tokenizer.ggml.token_type, llama.cpp's llama_token_type

# The regular expressions of llama.cpp's llama-vocab.cpp; each splits what the one before it has left.
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
_CONTRACTION = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_LLAMA3 = _CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_PATTERNS = {
    "default": (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"),
    "gpt-2": (_GPT2,),
    "smollm": (r"\p{N}", _GPT2),
    "llama-bpe": (_LLAMA3,),
    "qwen2": (_QWEN2,),
}
_SAME_AS = {
    "llama3": "llama-bpe",
    "llama-v3": "llama-bpe",
    "deepseek-r1-qwen": "qwen2",
    "starcoder": "smollm",
    "refact": "smollm",
    "command-r": "smollm",
    "codeshell": "smollm",
    "phi-2": "gpt-2",
    "olmo": "gpt-2",
}

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


class GgufTokenizer:
    """The vocabulary of ``source``, checked, and what is built from it. Errors are ConversionErrors."""

    def __init__(self, source: GgufFile) -> None:
        self._source = source
        model = source.string("tokenizer.ggml.model")
        if model != "gpt2":
            source.refuse(f"tokenizer model {model!r} is not supported; supported: gpt2 (byte-level BPE)")
        self.pre = self._pre_tokenizer_name()
        self.tokens = source.strings("tokenizer.ggml.tokens")
        self._types = source.integers("tokenizer.ggml.token_type")
        if len(self._types) != len(self.tokens) or len(set(self.tokens)) != len(self.tokens):
            source.refuse("the vocabulary has duplicate tokens or tokens without a type; the file is damaged")
        self.special = self._special_tokens()

    def _pre_tokenizer_name(self) -> str:
        name = self._source.string("tokenizer.ggml.pre", "default")
        name = _SAME_AS.get(name, name)
        if name not in _PATTERNS:
            supported = ", ".join(sorted([*_PATTERNS, *_SAME_AS]))
            self._source.refuse(f"pre-tokenizer {name!r} is not supported; supported: {supported}")
        return name

    def _special_tokens(self) -> SpecialTokens:
        eos = self._token_id("eos")
        if eos is None:
            self._source.refuse("metadata key 'tokenizer.ggml.eos_token_id' is missing: generation would not end")
        bos = self._token_id("bos")
        named = [eos, self._token_id("eot"), self._token_id("eom")]
        by_text = [token_id for token_id, text in enumerate(self.tokens) if text in _END_TOKENS]
        end_ids = list(dict.fromkeys(token_id for token_id in [*named, *by_text] if token_id is not None))
        add_bos = self._source.boolean("tokenizer.ggml.add_bos_token", self.pre == "llama-bpe")
        return SpecialTokens(bos, eos, end_ids, add_bos and bos is not None)

    def _token_id(self, kind: str) -> int | None:
        key = f"tokenizer.ggml.{kind}_token_id"
        if key not in self._source:
            return None
        return self._source.integer(key, low=0, high=len(self.tokens) - 1)

    def build(self) -> Tokenizer:
        """Return the tokenizer. Special tokens in a text become their ids; decoding is byte-exact."""
        merges = self._merges()
        vocab = {token: token_id for token_id, token in enumerate(self.tokens)}
        try:
            model = models.BPE(vocab=vocab, merges=merges, ignore_merges=self.pre == "llama-bpe")
        except Exception as error:  # the library raises the bare class
            self._source.refuse(f"the merges do not fit the vocabulary ({error}); the file is damaged")
        tokenizer = Tokenizer(model)
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in _PATTERNS[self.pre]]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_tokens(self._added_tokens())
        if self.special.add_bos and self.special.bos is not None:
            bos = self.tokens[self.special.bos]
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, self.special.bos)]
            )
        return tokenizer

    def _merges(self) -> list[tuple[str, str]]:
        """Split "left right"; a left part may itself begin with a space, as llama.cpp has it."""
        merges = []
        for rule in self._source.strings("tokenizer.ggml.merges"):
            space = rule.find(" ", 1)
            if space < 0:
                self._source.refuse(f"the merge rule {rule!r} has no second part; the file is damaged")
            merges.append((rule[:space], rule[space + 1 :]))
        return merges

    def _added_tokens(self) -> list[AddedToken]:
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
