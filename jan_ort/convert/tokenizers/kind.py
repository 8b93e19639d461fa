"""What a kind of tokenizer must be able to do."""

from __future__ import annotations

from typing import Protocol

from tokenizers import Tokenizer

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.special_tokens import SpecialDefaults
from jan_ort.convert.tokenizers.vocabulary import Vocabulary


class TokenizerKind(Protocol):
    """Makes tokenizer.json of a GGUF file's vocabulary, equal to llama.cpp's token for token."""

    model: str
    """The value of tokenizer.ggml.model that it reads."""

    title: str
    """What it is called, for those who do not know llama.cpp's names."""

    def defaults(self, source: GgufFile) -> SpecialDefaults:
        """Return what holds of special tokens where the file does not say it."""
        ...

    def build(self, source: GgufFile, vocabulary: Vocabulary) -> Tokenizer:
        """Return the model, what splits a text before it, and the decoder, which is byte-exact.

        The caller adds the vocabulary's added tokens and those around a text. Raises: ConversionError by
        ``source.refuse``.
        """
        ...
