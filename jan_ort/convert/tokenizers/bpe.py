"""Byte-level BPE, the tokenizers of GPT-2, Llama 3, Qwen and SmolLM."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.vocabulary import Vocabulary

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


class ByteLevelBpe:
    """:class:`kind.TokenizerKind` of GPT-2's family; tokenizer.ggml.pre says how a text is split before the merges."""

    model = "gpt2"
    title = "byte-level BPE"

    def adds_bos(self, source: GgufFile) -> bool:
        """Return what llama.cpp does: Llama 3's alone do."""
        return _pre_tokenizer(source) == "llama-bpe"

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the tokenizer of the file's merges."""
        pre, merges = _pre_tokenizer(source), _merges(source)
        vocab = {token: token_id for token_id, token in enumerate(vocabulary.tokens)}
        try:
            model = models.BPE(vocab=vocab, merges=merges, ignore_merges=pre == "llama-bpe")
        except Exception as error:  # the library raises the bare class
            source.refuse(f"the merges do not fit the vocabulary ({error}); the file is damaged")
        tokenizer = Tokenizer(model)
        splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in _PATTERNS[pre]]
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, byte_level])
        tokenizer.decoder = decoders.ByteLevel()
        return tokenizer


def _pre_tokenizer(source: GgufFile) -> str:
    name = source.string("tokenizer.ggml.pre", "default")
    name = _SAME_AS.get(name, name)
    if name not in _PATTERNS:
        supported = ", ".join(sorted([*_PATTERNS, *_SAME_AS]))
        source.refuse(f"pre-tokenizer {name!r} is not supported; supported: {supported}")
    return name


def _merges(source: GgufFile) -> list[tuple[str, str]]:
    """Split "left right"; a left part may itself begin with a space, as llama.cpp has it."""
    merges = []
    for rule in source.strings("tokenizer.ggml.merges"):
        space = rule.find(" ", 1)
        if space < 0:
            source.refuse(f"the merge rule {rule!r} has no second part; the file is damaged")
        merges.append((rule[:space], rule[space + 1 :]))
    return merges
