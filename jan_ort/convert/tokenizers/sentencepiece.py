"""SentencePiece's BPE: pieces with scores, a byte for what has no piece. Llama 2, Mistral 7B, Gemma, Phi-3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tokenizers import Tokenizer, decoders, models, normalizers

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.known_tokens import BYTE, CONTROL, UNKNOWN
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary

_NOT_MERGED = frozenset({BYTE, CONTROL, UNKNOWN})
_MAX_WORK = 2**28
"""Characters that are looked at to divide each piece at every place: the sum of their squares. Gemma has 2**24."""


class SentencePieceBpe:
    """:class:`kind.TokenizerKind` of tokenizer.ggml.scores: of all pairs whose text is a piece, the best is merged."""

    model = "llama"
    title = "SentencePiece BPE"

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        """Return Llama's own ids."""
        return SpecialDefaults(add_bos=True, bos=1, eos=2, unknown=0)

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the tokenizer; each part of a text between special tokens begins with a space, if the file says so."""
        if sum(len(token) ** 2 for token in vocabulary.tokens) > _MAX_WORK:
            source.refuse("its tokens are longer than those of any model; the file is damaged")
        merges = merges_by_score(vocabulary.ids, vocabulary.scores(), vocabulary.types)
        model = models.BPE(vocab=vocabulary.ids, merges=merges, unk_token=vocabulary.unknown, byte_fallback=True)
        tokenizer = Tokenizer(model)
        adds_space = source.boolean("tokenizer.ggml.add_space_prefix", True)
        spaces = normalizers.Replace(" ", "▁")
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces] if adds_space else [spaces])
        strip = [decoders.Strip(" ", 1, 0)] if adds_space else []
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
        )
        return tokenizer


def merges_by_score(ids: Mapping[str, int], scores: Sequence[float], types: Sequence[int]) -> list[tuple[str, str]]:
    """Return every pair of tokens that is a token, those with the best score first.

    Of equal scores the longest text comes first: SentencePiece merges from the left then, which lets a run of one
    character grow. A text that pairs in several ways has one rank for each, where SentencePiece has one: what matters
    is which of two that overlap stands to the left (:func:`_places`).
    """
    ranked = []
    for piece, token_id in ids.items():
        if types[token_id] in _NOT_MERGED:
            continue
        places = [at for at in range(1, len(piece)) if piece[:at] in ids and piece[at:] in ids]
        if places:
            ranked.append((-scores[token_id], -len(piece), token_id, piece, places))
    ranked.sort()
    return [
        (piece[:at], piece[at:])
        for _, _, _, piece, places in ranked
        for at in (_places(piece, places) if len(places) > 1 else places)
    ]


def _places(piece: str, places: list[int]) -> list[int]:
    """Order the places where a piece may be divided: long before short, unless the right part also begins it."""
    size = len(piece)

    def rank(at: int) -> tuple[int, bool]:
        short, long = sorted((at, size - at))
        overlaps = piece.startswith(piece[short:]) and not piece.startswith(piece[long:])
        return -long, (at == long) == overlaps

    return sorted(places, key=rank)
