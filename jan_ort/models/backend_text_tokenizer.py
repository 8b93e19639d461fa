"""A backend's own tokenizer, in the place of a tokenizer.json (hop 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, PreTokenizedString, Token, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import PreTokenizer

from jan_ort.ground.model_errors import ModelFolderError
from jan_ort.models.tokenizer import TextTokenizer
from jan_ort_backends import BackendTokenizer


class BackendTextTokenizer(TextTokenizer):
    """Finds control tokens in a text as every tokenizer does, and has ``own`` cut what is between them.

    ``path`` is the folder's tokenizer.json, which it does not have; ``options`` are those of :class:`TextTokenizer`.
    """

    def __init__(self, path: Path, own: BackendTokenizer, **options: Any) -> None:
        self._own = own
        super().__init__(path, **options)
        self._byte_table = [token.text for token in own.tokens]
        self._num_stripped = own.num_stripped
        # Last, for what the others say of themselves is read from JSON, and a part in Python has none.
        self._tokenizer.pre_tokenizer = PreTokenizer.custom(_Cutter(own))

    def _read(self, path: Path) -> Tokenizer:
        vocab = {token.name: token_id for token_id, token in enumerate(self._own.tokens)}
        if not vocab or len(vocab) < len(self._own.tokens):
            raise ModelFolderError(
                f"the tokenizer of {path.parent} has no tokens, or two of the same name; download it again"
            )
        tokenizer = Tokenizer(WordLevel(vocab, unk_token=self._own.tokens[0].name))
        controls = [token.name for token in self._own.tokens if token.is_control and token.name]
        tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in controls])
        return tokenizer


class _Cutter:
    """A part of the library's pipeline that leaves nothing to cut for the model behind it."""

    def __init__(self, own: BackendTokenizer) -> None:
        self._own = own

    def pre_tokenize(self, text: PreTokenizedString) -> None:
        text.tokenize(self._cut)

    def _cut(self, text: str) -> list[Token]:
        size = len(self._own.tokens)
        token_ids = [int(token_id) for token_id in self._own.tokenize(text)]
        if not all(0 <= token_id < size for token_id in token_ids):
            raise ValueError(f"the backend returned ids that are not in its vocabulary of {size} tokens")
        return [Token(token_id, self._own.tokens[token_id].name, (0, 0)) for token_id in token_ids]
