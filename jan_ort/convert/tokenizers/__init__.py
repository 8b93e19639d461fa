"""Tokenizers of GGUF files, one kind a file; the list is what is supported."""

from __future__ import annotations

from tokenizers import Tokenizer, processors

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.bpe import ByteLevelBpe
from jan_ort.convert.tokenizers.kind import TokenizerKind
from jan_ort.convert.tokenizers.vocabulary import Vocabulary

KINDS: tuple[TokenizerKind, ...] = (ByteLevelBpe(),)


class GgufTokenizer:
    """The tokenizer of ``source``: its vocabulary, checked, and what is built from it. Errors are ConversionErrors."""

    def __init__(self, source: GgufFile) -> None:
        self._source = source
        self._kind = _kind_of(source)
        self.vocabulary = Vocabulary(source, adds_bos=self._kind.adds_bos(source))

    def build(self) -> Tokenizer:
        """Return the tokenizer. Special tokens in a text become their ids; decoding is byte-exact."""
        tokenizer = self._kind.build(self._source, self.vocabulary)
        tokenizer.add_tokens(self.vocabulary.added_tokens())
        special = self.vocabulary.special
        if special.add_bos and special.bos is not None:
            bos = self.vocabulary.tokens[special.bos]
            tokenizer.post_processor = processors.TemplateProcessing(
                single=f"{bos} $A", pair=f"{bos} $A $B", special_tokens=[(bos, special.bos)]
            )
        return tokenizer


def _kind_of(source: GgufFile) -> TokenizerKind:
    model = source.string("tokenizer.ggml.model")
    kinds = {kind.model: kind for kind in KINDS}
    if model not in kinds:
        supported = ", ".join(f"{kind.model} ({kind.title})" for kind in KINDS)
        source.refuse(f"tokenizer model {model!r} is not supported; supported: {supported}")
    return kinds[model]
