"""Text to token ids and back, with the bytes of every token (hops 3 and 8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from jan_ort.ground.model_errors import ModelsError
from jan_ort.models.control_tokens import ControlTokens, MarkedText
from jan_ort.models.pair_template import PairTemplate
from jan_ort.models.stated_case import follow_stated_case
from jan_ort.models.token_bounds import TokenBounds
from jan_ort.models.token_spelling import byte_decoder, num_stripped
from jan_ort.models.tokenizer_checks import check_ids, growth_of, is_of_the_library, read_tokenizer

MAX_TEXT_BYTES = 2**21
"""Bytes of a text, where nobody says more. Each may be a token, and the library needs 300 to 430 bytes for one until it
has found them all."""


class TokenIdError(ModelsError):
    """Raised when a token id is not in the model's vocabulary."""

    def __init__(self, token_id: int, vocab_size: int) -> None:
        super().__init__(f"token id {token_id} is not in the vocabulary; ids go from 0 to {vocab_size - 1}")
        self.token_id = token_id


class TextTooLong(ModelsError):
    """Raised when a text has more tokens than there is room for, as far as it was read."""

    def __init__(self, at_least: int, limit: int) -> None:
        super().__init__(f"the text has at least {at_least} tokens, but only {limit} are allowed; shorten it")
        self.at_least = at_least
        self.limit = limit
        self.place: int | None = None
        """Which of several texts it is."""


class TextTooLarge(ModelsError):
    """Raised when a text would take too much memory to tokenize, whether or not its tokens are too many."""

    def __init__(self, num_bytes: int, limit: int) -> None:
        super().__init__(
            f"the text has {num_bytes} bytes, and {limit} can be tokenized at once (setting JAN_ORT_MAX_TEXT_BYTES); "
            "send it in parts"
        )


class TokenizerFailed(ModelsError):
    """Raised when a model's tokenizer fails on a text or on token ids: that is the model's fault, and theirs alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the model's tokenizer fails on this text: {reason[:500]}; send another, or use another model"
        )


_USUAL_GROWTH = 32.0
_MAX_GROWN = 2**22
"""Characters that a text may become in a tokenizer that can make it more than 32 times as long."""


class TextTokenizer:
    """A model's ``tokenizer.json``, with special tokens in the text recognised and BOS as the model has it.

    ``add_special_tokens`` applies the file's own template ([CLS] … [SEP]), as models that embed need it; a prompt to
    generate from gets no more than BOS. ``reads_marks`` False: the name of a special token in a text is text.
    ``pair_template`` is what pairs are put into, if that is not the file's own template.
    """

    def __init__(
        self,
        path: Path,
        *,
        bos_token_id: int | None = None,
        add_bos: bool = False,
        add_special_tokens: bool = False,
        max_text_bytes: int = MAX_TEXT_BYTES,
        reads_marks: bool = True,
        pair_template: str | None = None,
    ) -> None:
        self._tokenizer = self._read(path)
        self._tokenizer.encode_special_tokens = not reads_marks
        self._bos = bos_token_id if add_bos else None
        self._add_special_tokens = add_special_tokens
        self._max_text_bytes = max_text_bytes
        vocab = self._tokenizer.get_vocab(with_added_tokens=True)
        # Not the number of tokens: some vocabularies have gaps.
        self.vocab_size = 1 + max(vocab.values(), default=-1)
        check_ids(path, self.vocab_size - 1)
        added = list(self._tokenizer.get_added_tokens_decoder().values())  # 0.2 s of 100,000
        self.controls = ControlTokens(self._tokenizer, added)
        self._pairs = None if pair_template is None else PairTemplate(pair_template, self.controls)
        self._growth = growth_of(self._tokenizer)
        self._bounds = TokenBounds(self._tokenizer, vocab, added)
        # The decoder alone: describing the whole tokenizer takes as long as loading it.
        decoder = json.loads(self._tokenizer.decoder.__getstate__()) if self._tokenizer.decoder else {}
        self._byte_table = self._bytes_of(vocab, decoder)
        self._num_stripped = num_stripped(decoder)

    def _read(self, path: Path) -> Tokenizer:
        tokenizer = read_tokenizer(path)
        follow_stated_case(tokenizer, path.parent)
        return tokenizer

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token ids of ``text``, int64 ``(n,)``. Releases the interpreter's lock while it works."""
        # encode() holds the lock for the whole text (a second per megabyte); the batch call does not.
        return self._begun(self._encode(text, add_special_tokens=self._add_special_tokens))

    def encode_start(self, text: str, limit: int) -> NDArray[np.int64]:
        """Return the token ids of as much of a text's beginning as ``limit`` tokens hold, with what a template adds."""
        encoding = self._encoding(text, add_special_tokens=False)
        marks = self._tokenizer.num_special_tokens_to_add(is_pair=False) if self._add_special_tokens else 0
        encoding.truncate(limit - marks - (self._bos is not None))
        with _answering():
            marked = self._tokenizer.post_process(encoding) if self._add_special_tokens else encoding
        return self._begun(marked.ids)

    def encode_marked(self, text: MarkedText) -> NDArray[np.int64]:
        """Return the token ids of a prompt in which control tokens' names with stand-ins are plain text."""
        self._check_size(text.text)
        with _answering():
            return self._begun(self.controls.encode(text))

    def _begun(self, token_ids: list[int]) -> NDArray[np.int64]:
        bos = [] if self._bos is None or token_ids[:1] == [self._bos] else [self._bos]
        return np.array(bos + token_ids, dtype=np.int64)

    def encode_part(self, text: str) -> NDArray[np.int64]:
        """Return the token ids of a text that is not the beginning of a prompt: no BOS, no template."""
        return np.array(self._encode(text, add_special_tokens=False), dtype=np.int64)

    def encode_behind(self, first: str) -> Callable[[str], NDArray[np.int64]]:
        """Return what gives the token ids of a pair, by its second text, in the template for pairs.

        Names of special tokens in either text are text. Raises, as what it returns: TextTooLarge, TokenizerFailed.
        """
        if (pairs := self._pairs) is not None:
            return lambda second: self._encode_pair(pairs, first, second)
        own = self._encoding(first, add_special_tokens=False)

        def encode(second: str) -> NDArray[np.int64]:
            other = self._encoding(second, add_special_tokens=False)
            with _answering():
                return np.array(self._tokenizer.post_process(own, other).ids, dtype=np.int64)

        return encode

    def _encode_pair(self, pairs: PairTemplate, first: str, second: str) -> NDArray[np.int64]:
        try:
            filled = pairs.filled(first, second)
        except ValueError as error:
            raise TokenizerFailed(str(error)) from error
        return self.encode_marked(filled)

    def _encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        token_ids: list[int] = self._encoding(text, add_special_tokens=add_special_tokens).ids
        return token_ids

    def _encoding(self, text: str, *, add_special_tokens: bool) -> Encoding:
        """Return the tokens. Raises: TextTooLarge, TokenizerFailed."""
        self._check_size(text)
        with _answering():
            return self._tokenizer.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0]

    def _check_size(self, text: str) -> None:
        """Refuse what takes too much memory. Raises: TextTooLarge, TokenizerFailed."""
        limit = self._max_text_bytes
        if 4 * len(text) > limit and (size := len(text.encode(errors="replace"))) > limit:
            raise TextTooLarge(size, limit)
        if self._growth > _USUAL_GROWTH and len(text) * self._growth > _MAX_GROWN:
            raise TokenizerFailed(f"it may make {len(text)} characters {self._growth:.0f} times as many")

    def check_unread(self, text: str, limit: int) -> None:
        """Refuse a text that cannot have ``limit`` tokens or less, whatever it says. Raises: TextTooLong."""
        if self._bounds.is_quick and (at_least := self._bounds.at_least(text)) > limit:
            raise TextTooLong(at_least, limit)

    def check_fits(self, text: str, limit: int) -> None:
        """Refuse what is known to have more than ``limit`` tokens before all of it is read. Raises: TextTooLong."""
        if (at_least := self._bounds.at_least(text)) > limit:
            raise TextTooLong(at_least, limit)
        num_read = num_tokens = 0
        for piece in self._bounds.pieces(text):
            num_read += len(piece)
            if num_read == len(text):
                return  # the last piece, or the only one: all of it is to be tokenized anyway
            num_tokens += len(self.encode_part(piece))
            if num_tokens > limit:
                raise TextTooLong(num_tokens, limit)

    def token_id(self, name: str) -> int | None:
        """Return the id of a token by its spelling in the vocabulary, None if there is none."""
        token_id: int | None = self._tokenizer.token_to_id(name)
        return token_id

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of ``token_ids``, special tokens left out. Raises: TokenIdError."""
        self.check(token_ids)
        if self._byte_table is not None:
            text = b"".join(self.token_bytes(token_id) for token_id in token_ids).decode("utf-8", "replace")
            num_spaces = len(text) - len(text.lstrip(" "))
            return text[min(num_spaces, self._num_stripped) :]
        with _answering():
            return str(self._tokenizer.decode_batch([list(token_ids)], skip_special_tokens=True)[0])

    def check(self, token_ids: Sequence[int]) -> None:
        """Raise TokenIdError for the first id that is not in the vocabulary."""
        if len(token_ids) and (min(token_ids) < 0 or max(token_ids) >= self.vocab_size):
            unknown = next(each for each in token_ids if not 0 <= each < self.vocab_size)
            raise TokenIdError(unknown, self.vocab_size)

    def checked(self, token_ids: Sequence[int]) -> NDArray[np.int64]:
        """Return token ids as an array, int64 ``(n,)``. Raises: TokenIdError."""
        self.check(token_ids)
        return np.array(token_ids, dtype=np.int64)

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for a special token or an id without a token."""
        table = self._byte_table
        if table is None:
            with _answering():
                return str(self._tokenizer.decode([token_id])).encode()
        return table[token_id] if 0 <= token_id < len(table) else b""

    def token_text(self, token_id: int) -> str:
        """Return a token as text, special tokens included; half a character becomes U+FFFD."""
        return self.token_name_bytes(token_id).decode("utf-8", "replace")

    def token_name_bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token, for a special token those of its name."""
        return self.token_bytes(token_id) or str(self._tokenizer.id_to_token(token_id) or "").encode()

    def _bytes_of(self, vocab: Mapping[str, int], decoder: dict[str, Any]) -> list[bytes] | None:
        """Return the bytes of every token, or None when the decoder is not one that works token by token."""
        to_bytes = byte_decoder(decoder)
        if to_bytes is None:
            return None
        table = [b""] * self.vocab_size
        for token, token_id in vocab.items():
            table[token_id] = to_bytes(token)
        for token_id, added in self._tokenizer.get_added_tokens_decoder().items():
            table[token_id] = b"" if added.special else added.content.encode()
        return table


@contextmanager
def _answering() -> Iterator[None]:
    """Make one error of what the library raises, a panic included, which is no ``Exception``."""
    try:
        yield
    except BaseException as error:
        if not is_of_the_library(error):
            raise
        raise TokenizerFailed(str(error)) from error
