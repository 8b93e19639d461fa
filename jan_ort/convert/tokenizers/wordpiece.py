"""WordPiece, the tokenizer of BERT: the longest piece that a word begins with, then of the rest."""

from __future__ import annotations

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.known_tokens import NORMAL, UNUSED
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary

_MAX_WORD = 512
"""Characters of a word; a longer one is unknown. llama.cpp has no limit, but takes time that grows with the square."""

_CONTROL = r"[\x00\ufffd\p{Cc}\p{Cf}\p{Co}&&\S]"
_SYLLABLES, _FIRST_SYLLABLE, _FIRST_LETTER, _NUM_LETTERS = 588, 0xAC00, 0x1100, 19


class WordPiece:
    """:class:`kind.TokenizerKind` of BERT; in its files a piece that begins a word has "▁" before it."""

    model = "bert"
    title = "WordPiece"

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        """Return BERT's own ids."""
        return SpecialDefaults(add_bos=True, bos=101, unknown=100, separator=102, separates=True)

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the tokenizer."""
        vocab = {
            _spelled(token, kind): at
            for at, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True))
        }
        unknown = vocabulary.unknown or "[UNK]"
        tokenizer = Tokenizer(models.WordPiece(vocab, unk_token=unknown, max_input_chars_per_word=_MAX_WORD))
        lowercase = source.boolean("tokenizer.ggml.normalizer.lowercase", True)
        strips_accents = source.boolean("tokenizer.ggml.normalizer.strip_accents", lowercase)
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.Replace(Regex(_CONTROL), ""),
                *(_without_accents() if strips_accents else ()),
                *([normalizers.Replace("İ", "i"), normalizers.Lowercase()] if lowercase else []),
                normalizers.BertNormalizer(
                    clean_text=False, handle_chinese_chars=True, strip_accents=False, lowercase=False
                ),
            ]
        )
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=False)
        return tokenizer


def _spelled(token: str, kind: int) -> str:
    if kind not in (NORMAL, UNUSED) or (token.startswith("[") and token.endswith("]")):
        return token
    return token[1:] if token.startswith("▁") else f"##{token}"


def _without_accents() -> list[normalizers.Normalizer]:
    """Return what leaves the first of the characters that one is composed of, as llama.cpp does: of Hangul, too."""
    hangul = []
    for number in range(_NUM_LETTERS):
        first = _FIRST_SYLLABLE + number * _SYLLABLES
        syllables = f"[{chr(first)}-{chr(first + _SYLLABLES - 1)}]"
        hangul.append(normalizers.Replace(Regex(syllables), chr(_FIRST_LETTER + number)))
    return [*hangul, normalizers.NFD(), normalizers.Replace(Regex(r"[\p{M}]"), "")]
