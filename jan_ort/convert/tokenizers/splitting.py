"""How a text is split before BPE merges it, one row for each name that tokenizer.ggml.pre may have.

Source: llama.cpp's llama-vocab.cpp and unicode.cpp, whose answers these give. There, a class of letters of one case is
that of all letters, ``\\d`` is ASCII's, and beyond ASCII no white space is part of a range.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.special_tokens import WAY_OUT
from jan_ort.ground.model_errors import UnknownTokenizer


@dataclass(frozen=True, slots=True)
class Splitting:
    """Each of ``patterns`` splits what the one before it has left.

    ``ignores_merges``: a piece that is a token is not merged. ``adds_bos``: a text begins with BOS where the file does
    not say it. ``is_spelled``: the merges are of characters, with "▁" for a space, not of bytes.
    """

    patterns: tuple[str, ...]
    ignores_merges: bool = False
    adds_bos: bool = False
    is_spelled: bool = False
    ends_threes: bool = False


_LETTER = r"\p{L}"
_SPACES = r"\s+(?!\S)"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|" + _SPACES
_SHORTENED = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_LINES = rf"\s*[\r\n]+|{_SPACES}|\s+"
_NUMBERS = r"\p{N}{1,3}"
_MARKS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
_MARKS_AND_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
_WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_LLAMA3 = rf"{_SHORTENED}|{_WORD}|{_NUMBERS}|{_MARKS}|{_LINES}"
_QWEN2 = _LLAMA3.replace(_NUMBERS, r"\p{N}")
_QWEN35 = rf"{_SHORTENED}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_LINES}"


def _cased_words(letters: str, end: str) -> str:
    """Words of which the first letters are no small ones, and the last no capitals; only ASCII's have a case."""
    first, last = rf"[{letters}&&[^a-z]]", rf"[{letters}&&[^A-Z]]"
    before = r"[^\r\n\p{L}\p{N}]?"
    return rf"{before}{first}*{last}+{end}|{before}{first}+{last}*{end}"


_TEKKEN = rf"{_cased_words(_LETTER, '')}|\p{{N}}|{_MARKS_AND_SLASH}|{_LINES}"
_GPT4O = rf"{_cased_words(_LETTER, _SHORTENED + '?')}|{_NUMBERS}|{_MARKS_AND_SLASH}|{_LINES}"
_GRANITE_EMBEDDING = _GPT4O.replace(r"[\p{L}&&", r"[\p{L}\p{M}&&")
_MARKED_WORDS = rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+{_SHORTENED}?"
_YOUTU = rf"{_MARKED_WORDS}|\p{{N}}|{_MARKS_AND_SLASH}|{_LINES}"
_TINY_AYA = rf"{_MARKED_WORDS}|{_NUMBERS}|{_MARKS_AND_SLASH}|{_LINES}"

_EAST_ASIAN = r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
_WIDE = r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff&&\S]+"
_ASCII_MARK = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+"""
_DEEPSEEK3_WORDS = rf"{_ASCII_MARK}|[^\r\n\p{{L}}\p{{P}}\p{{S}}]?[\p{{L}}\p{{M}}]+"
_DEEPSEEK3 = (_NUMBERS, _EAST_ASIAN, rf"{_DEEPSEEK3_WORDS}| ?[\p{{P}}\p{{S}}]+[\r\n]*|{_LINES}")
_SPARK = (
    _NUMBERS,
    _EAST_ASIAN,
    rf"{_DEEPSEEK3_WORDS}| ?[\p{{P}}\p{{S}}]+|[\r\n]|{_SPACES}|\s+",
    r"\p{N}",
)
THREES = r"(?<!\p{N})\p{N}{1,2}(?=(?>(?:\p{N}{3})*)(?!\p{N}))|\p{N}{3}"
"""Digits in threes from the right; each number's length is looked at once, where it begins."""

_ASCII_THREES = (r"\p{N}+", r"(?<![0-9])[0-9]{1,2}(?=(?:[0-9]{3})+(?![0-9]))|[0-9]{3}")

_CASED = (
    r"A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373"
    r"\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481"
    r"\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b"
    r"\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b"
    r"\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb"
    r"\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
    r"\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4"
    r"\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    r"\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\x{10400}-\x{1044f}\x{104b0}-\x{104d3}"
    r"\x{104d8}-\x{104fb}\x{10c80}-\x{10cb2}\x{10cc0}-\x{10cf2}\x{118a0}-\x{118df}\x{1e900}-\x{1e943}"
)
"""The letters that have a case, but for some of Armenian, Georgian and others: what DeepSeek was made with."""

_DEEPSEEK_LLM = (
    r"[\r\n]",
    rf"\s?[{_CASED}]+",
    r"\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3001-\u3002]+",
    r"\s+\z",
    _WIDE,
    r"\p{N}+",
)
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", _WIDE, r"\p{N}")
_ASIAN = (
    r"[\u4e00-\u9fff\u3400-\u4dbf\u8c48-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff"
    r"\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+"
)
_KOREAN_AND_MARKS = (
    r"[\uac00-\ud7a3\u3131-\u318e]+"
    r"|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
    rf"|[\u3105-\u312f]+|{_EAST_ASIAN}"
)
_HAN = r"\u4e00-\u9fff\u3400-\u4dbf\x{20000}-\x{2a6df}\x{2a700}-\x{2ebef}\uf900-\ufaff\x{2f800}-\x{2fa1f}"
_KIMI = rf"[{_HAN}]+|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}&&[^{_HAN}]]+{_SHORTENED}?|{_NUMBERS}|{_MARKS}|{_LINES}"
_BLOOM = r" ?[^(\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
_DIGITS_THEN_WORDS = (r"\p{N}", _GPT2)
_FALCON = (r"[\p{P}\$\+<=>\^~\|`]+", _GPT2, r"[0-9][0-9][0-9]")
_DEFAULT = (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")
_CHAMELEON = (
    r"<sentinel:[0-9]+>",
    r"IMGIMG[A-I]{1,4}Z",
    r"[\t\n]|    |  ",
    r"\p{N}",
    r"[\p{P}!-/:-@\[-`{-~]",
    _GPT2,
)
_JAIS2 = _LLAMA3.replace(
    rf"{_SPACES}|\s+",
    "".join(rf"\s{{{num}}}(?!\S)|" for num in (512, 256, 128, 64, 32, 16, 8, 4)) + r"\s{1,2}(?!\S)|\s",
)
_BAILING = (
    r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"
    rf"|{_WORD}|\p{{N}}|{_MARKS}|\s*[\r\n]|{_SPACES}|\s+"
)
_SEED_CODER = rf"{_SHORTENED}|{_WORD}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}\r\n]+|{_LINES}"
_EXAONE_MOE = (
    rf"{_SHORTENED}|[^\r\n\p{{L}}\p{{N}}]?(?:\p{{L}}\p{{M}}*(?: \p{{L}}\p{{M}}*)*)+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]?|\s*[\r\n]|{_SPACES}|\s+"
)
_NEWLINES = r"[^\n]+|\n+"

_LIKE_GPT2 = Splitting((_GPT2,))
_LIKE_LLAMA3 = Splitting((_LLAMA3,), ignores_merges=True, adds_bos=True)
_LIKE_QWEN2 = Splitting((_QWEN2,))
_LIKE_SMOLLM = Splitting(_DIGITS_THEN_WORDS)
_LIKE_GPT4O = Splitting((_GPT4O,))
_LIKE_DEEPSEEK3 = Splitting(_DEEPSEEK3)
_LIKE_BLOOM = Splitting((_BLOOM,))
_LIKE_BAILING = Splitting((_BAILING,))
_LIKE_AYA = Splitting((_TINY_AYA,), ends_threes=True)

SPLITTINGS: Mapping[str, Splitting] = {
    "a.x-4.0": _LIKE_GPT2,
    "afmoe": Splitting((_ASIAN, _DEEPSEEK3[2]), ends_threes=True),
    "bailingmoe": _LIKE_BAILING,
    "bailingmoe2": _LIKE_BAILING,
    "bloom": _LIKE_BLOOM,
    "chameleon": Splitting(_CHAMELEON, adds_bos=True),
    "chatglm-bpe": Splitting((_LLAMA3,)),
    "codeshell": _LIKE_SMOLLM,
    "cohere2moe": _LIKE_AYA,
    "command-r": _LIKE_SMOLLM,
    "dbrx": Splitting((_LLAMA3,)),
    "deepseek-coder": Splitting(_DEEPSEEK_CODER),
    "deepseek-llm": Splitting(_DEEPSEEK_LLM),
    "deepseek-r1-qwen": _LIKE_QWEN2,
    "deepseek-v3": _LIKE_DEEPSEEK3,
    "default": Splitting(_DEFAULT),
    "exaone": _LIKE_SMOLLM,
    "exaone-moe": Splitting((_EXAONE_MOE,)),
    "exaone4": _LIKE_GPT2,
    "f2llmv2": _LIKE_QWEN2,
    "falcon": Splitting(_FALCON),
    "falcon-h1": _LIKE_LLAMA3,
    "falcon3": _LIKE_LLAMA3,
    "gemma4": Splitting((_NEWLINES,), adds_bos=True, is_spelled=True),
    "gigachat": _LIKE_GPT2,
    "glm4": Splitting((_LLAMA3,), ignores_merges=True),
    "glm5": Splitting((_LLAMA3,), ignores_merges=True),
    "gpt-2": _LIKE_GPT2,
    "gpt-4o": _LIKE_GPT4O,
    "gpt3-finnish": _LIKE_BLOOM,
    "granite-docling": _LIKE_GPT2,
    "granite-embed-multi-311m": Splitting((_NEWLINES,), adds_bos=True, is_spelled=True),
    "granite-embed-multi-97m": Splitting((_GRANITE_EMBEDDING,), ignores_merges=True),
    "grok-2": _LIKE_QWEN2,
    "hunyuan": _LIKE_QWEN2,
    "hunyuan-dense": _LIKE_DEEPSEEK3,
    "hy_v4": _LIKE_DEEPSEEK3,
    "jais": _LIKE_GPT2,
    "jais-2": Splitting((_JAIS2,)),
    "jina-de": _LIKE_GPT2,
    "jina-es": _LIKE_GPT2,
    "jina-v1-en": _LIKE_GPT2,
    "jina-v2-code": _LIKE_GPT2,
    "jina-v2-de": _LIKE_GPT2,
    "jina-v2-es": _LIKE_GPT2,
    "jina-v5-nano": _LIKE_LLAMA3,
    "joyai-llm": _LIKE_DEEPSEEK3,
    "kanana2": _LIKE_GPT4O,
    "kimi-k2": Splitting((_KIMI,)),
    "kormo": _LIKE_QWEN2,
    "laguna": Splitting((_NEWLINES, _QWEN2)),
    "lfm2": _LIKE_LLAMA3,
    "llada-moe": _LIKE_BAILING,
    "llama-bpe": _LIKE_LLAMA3,
    "llama-v3": _LIKE_LLAMA3,
    "llama3": _LIKE_LLAMA3,
    "llama4": _LIKE_GPT4O,
    "megrez": _LIKE_QWEN2,
    "mellum": _LIKE_GPT2,
    "mellum2": _LIKE_SMOLLM,
    "midm-2.0": _LIKE_LLAMA3,
    "minerva-7b": _LIKE_SMOLLM,
    "minicpm5": Splitting((_NUMBERS, _LLAMA3.replace(_NUMBERS, r"\p{N}+")), ignores_merges=True),
    "minimax-m2": _LIKE_GPT4O,
    "modern-bert": _LIKE_GPT2,
    "mpt": _LIKE_GPT2,
    "olmo": _LIKE_GPT2,
    "phi-2": _LIKE_GPT2,
    "pixtral": _LIKE_LLAMA3,
    "poro-chat": _LIKE_BLOOM,
    "qwen2": _LIKE_QWEN2,
    "qwen35": Splitting((_QWEN35,)),
    "refact": _LIKE_SMOLLM,
    "roberta-bpe": _LIKE_GPT2,
    "sarvam-moe": Splitting((_NEWLINES,), is_spelled=True),
    "seed-coder": Splitting((_SEED_CODER,)),
    "smaug-bpe": Splitting((_LLAMA3,)),
    "smollm": _LIKE_SMOLLM,
    "solar-open": _LIKE_QWEN2,
    "spark2_5": Splitting(_SPARK),
    "stablelm2": _LIKE_QWEN2,
    "starcoder": _LIKE_SMOLLM,
    "superbpe": Splitting(_ASCII_THREES),
    "talkie": _LIKE_GPT4O,
    "tekken": Splitting((_TEKKEN,), ignores_merges=True, adds_bos=True),
    "tiny_aya": _LIKE_AYA,
    "trillion": _LIKE_GPT2,
    "ufakzeka": Splitting((_QWEN2.removeprefix(f"{_SHORTENED}|"),)),
    "viking": Splitting((_BLOOM, r"\p{N}")),
    "youtu": Splitting((_KOREAN_AND_MARKS, _YOUTU), ignores_merges=True),
}
"""By the name; ``whitespace`` is not read, which one embedding model has."""


def splitting_of(source: GgufFile, name: str | None = None) -> Splitting:
    """Return the row of ``name``, by default the file's. Raises: UnknownTokenizer."""
    name = name or source.string("tokenizer.ggml.pre", "default")
    if name not in SPLITTINGS:
        raise UnknownTokenizer(
            f"{source.path}: pre-tokenizer {name!r} is not supported; supported: {', '.join(SPLITTINGS)}; {WAY_OUT}"
        )
    return SPLITTINGS[name]
