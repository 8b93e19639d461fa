"""SentencePiece's unigram model: the pieces whose scores add up to the most. T5, and embedders made of XLM-RoBERTa."""

from __future__ import annotations

import unicodedata

from tokenizers import Regex, Tokenizer, decoders, models, normalizers

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.known_tokens import BYTE, NORMAL, UNUSED, USER_DEFINED
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary

_COMPOSED = "éñй"
_MAX_REPLACEMENT = 72
"""Bytes that come in the place of one character; 18 characters do in NFKC."""


class Unigram:
    """:class:`kind.TokenizerKind` of T5's family; what a text is normalized with stands in the file, as a table."""

    model = "t5"
    title = "SentencePiece unigram"

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        """Return T5's own ids."""
        return SpecialDefaults(add_eos=True, eos=1, unknown=2)

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the tokenizer."""
        if vocabulary.special.unknown is None:
            source.refuse("metadata key 'tokenizer.ggml.unknown_token_id' is missing; the file is damaged")
        model = models.Unigram(_pieces(vocabulary), vocabulary.special.unknown, byte_fallback=False)
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Sequence([*_table(source), *_spaces(source)])
        tokenizer.decoder = decoders.Metaspace(prepend_scheme="always" if _adds_space(source) else "never")
        return tokenizer


def _adds_space(source: GgufFile) -> bool:
    return source.boolean("tokenizer.ggml.add_space_prefix", False)


def _pieces(vocabulary: Vocabulary) -> list[tuple[str, float]]:
    """Return the pieces with their scores. Those that no text may have get a space, which is "▁" in every text."""
    scores = vocabulary.scores()
    kinds = vocabulary.types
    least = min((score for score, kind in zip(scores, kinds, strict=True) if kind == NORMAL), default=0.0)
    pieces = []
    for token, score, kind in zip(vocabulary.tokens, scores, kinds, strict=True):
        if kind == BYTE or (kind == UNUSED and score < least):
            pieces.append((f"{token} ", least))
        else:
            pieces.append((token, 0.0 if kind == USER_DEFINED else score))
    return pieces


def _table(source: GgufFile) -> list[normalizers.Normalizer]:
    """Return what replaces characters by the file's table.

    The library asks the table for a letter with all its marks at once, or for the end of a line, and loses what follows
    the first: so letters are composed before, and ends of lines replaced.
    """
    key = "tokenizer.ggml.precompiled_charsmap"
    if key not in source:
        return []
    content = source.raw_bytes(key)
    size = 4 + int.from_bytes(content[:4], "little")
    if len(content) < size or max(map(len, content[size:].split(b"\0"))) > _MAX_REPLACEMENT:
        source.refuse(f"metadata key {key!r} is not a table of characters; the file is damaged")
    try:
        table = normalizers.Precompiled(content)
        composes = all(table.normalize_str(unicodedata.normalize("NFD", each)) == each for each in _COMPOSED)
        line = normalizers.Replace("\r\n", table.normalize_str("\r") + table.normalize_str("\n"))
    except BaseException as error:  # the library raises the bare class, and panics
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        source.refuse(f"metadata key {key!r} cannot be read ({error}); the file is damaged")
    return [normalizers.NFC(), line, table] if composes else [line, table]


def _spaces(source: GgufFile) -> list[normalizers.Normalizer]:
    """Return what makes "▁" of spaces, and puts one in front of what is more than spaces."""
    if source.boolean("tokenizer.ggml.remove_extra_whitespaces", False):
        ends = normalizers.Replace(Regex(r"\A +| +\z"), "")
        return [ends, normalizers.Replace(Regex(" +"), "▁"), normalizers.Prepend("▁")]
    prefix = [normalizers.Replace(Regex(r"\A(?= *[^ ])"), "▁")] if _adds_space(source) else []
    return [*prefix, normalizers.Replace(" ", "▁")]
