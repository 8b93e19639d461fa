"""Tokenizers of GGUF files, one kind a file; the list is what is supported."""

from __future__ import annotations

from tokenizers import Tokenizer, processors

from jan_ort.convert.inputs.gguf_file import GgufFile
from jan_ort.convert.tokenizers.bpe import Bpe
from jan_ort.convert.tokenizers.kind import TokenizerKind
from jan_ort.convert.tokenizers.sentencepiece import SentencePieceBpe
from jan_ort.convert.tokenizers.special_tokens import WAY_OUT
from jan_ort.convert.tokenizers.unigram import Unigram
from jan_ort.convert.tokenizers.vocabulary import Vocabulary
from jan_ort.convert.tokenizers.wordpiece import WordPiece
from jan_ort.ground.model_errors import UnknownTokenizer

KINDS: tuple[TokenizerKind, ...] = (
    Bpe("gpt2", "byte-level BPE"),
    Bpe("gemma4", "BPE of Gemma 4"),
    SentencePieceBpe(),
    Unigram(),
    WordPiece(),
)


class GgufTokenizer:
    """The tokenizer of ``source``: its vocabulary, checked, and what is built from it. Errors are ConversionErrors."""

    def __init__(self, source: GgufFile) -> None:
        self._source = source
        self._kind = _kind_of(source)
        self.vocabulary = Vocabulary(source, self._kind.defaults(source))

    @property
    def type_separator(self) -> int | None:
        """The token behind which the second text of a pair has a type of its own; None: the kind knows one type."""
        separates = self._kind.defaults(self._source).separates
        return self.vocabulary.special.last if separates else None

    def build(self) -> Tokenizer:
        """Return the tokenizer. Special tokens in a text become their ids; decoding is byte-exact."""
        tokenizer = self._kind.build(self._source, self.vocabulary)
        tokenizer.add_tokens(self.vocabulary.added_tokens())
        self._add_ends(tokenizer)
        return tokenizer

    def _add_ends(self, tokenizer: Tokenizer) -> None:
        """Have what stands around a text added to it: BOS, EOS, or BERT's marks."""
        tokens, special = self.vocabulary.tokens, self.vocabulary.special
        first, last = ([] if each is None else [tokens[each]] for each in (special.first, special.last))
        between = [] if special.between is None else [tokens[special.between]]
        if not first and not last:
            return
        try:
            tokenizer.post_processor = processors.TemplateProcessing(
                single=[*first, "$A", *last],
                pair=[*first, "$A", *last, *between, "$B", *last],
                special_tokens=[(token, self.vocabulary.ids[token]) for token in {*first, *last, *between}],
            )
        except Exception as error:  # the library raises the bare class
            self._source.refuse(f"the token that begins or ends a text is odd ({error}); the file is damaged")


def _kind_of(source: GgufFile) -> TokenizerKind:
    model = source.string("tokenizer.ggml.model")
    kinds = {kind.model: kind for kind in KINDS}
    if model not in kinds:
        supported = ", ".join(f"{kind.model} ({kind.title})" for kind in KINDS)
        raise UnknownTokenizer(
            f"{source.path}: tokenizer model {model!r} is not supported; supported: {supported}; {WAY_OUT}"
        )
    return kinds[model]
