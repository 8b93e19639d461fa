"""A model's tokens as the matcher wants them: the bytes of each id, which are special, and which end the text."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from llguidance import LLTokenizer
from numpy.typing import NDArray

from jan_ort.models.control_tokens import MarkedText

if TYPE_CHECKING:
    from llguidance._tokenizer import TokenizerWrapper

    from jan_ort.models.tokenizer import TextTokenizer


NUMBER_BYTES = b"0123456789+-.eE"
_AFTER_NUMBER = b",]} \t\r\n"


class NumberStarts(NamedTuple):
    """The tokens that begin as more of a number would: their ids, that beginning, and how long it is."""

    token_ids: NDArray[np.int64]
    texts: list[bytes]
    lengths: NDArray[np.int64]


class GrammarVocabulary:
    """The vocabulary of one model, made once; the costly part (0.15 s for 49,152 tokens) on first use.

    ``vocab_size`` is the width of a logits row; ids beyond the tokenizer's are never allowed. Special tokens are
    never allowed either, except ``eos_token_ids`` where the text may end.
    """

    def __init__(self, tokenizer: TextTokenizer, eos_token_ids: Sequence[int], vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self.eos_token_ids = tuple(sorted(token_id for token_id in eos_token_ids if token_id < tokenizer.vocab_size))
        self._tokenizer = tokenizer
        self._lock = threading.Lock()

    @property
    def matcher_tokenizer(self) -> LLTokenizer:
        """Return the matcher's own form of the vocabulary. Thread-safe."""
        with self._lock:
            return self._matcher_tokenizer

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes of every id; none for a special token or an id without a token."""
        return [self._tokenizer.token_bytes(token_id) for token_id in range(self._tokenizer.vocab_size)]

    @cached_property
    def by_preference(self) -> NDArray[np.int64]:
        """The position of every id in the order in which text is filled up: long words first, int64 ``(tokens,)``."""
        ranked = sorted(range(len(self.token_bytes)), key=lambda token_id: _filler_rank(self.token_bytes[token_id]))
        positions = np.empty(len(ranked), np.int64)
        positions[ranked] = np.arange(len(ranked))
        return positions

    @cached_property
    def number_starts(self) -> NumberStarts:
        """The tokens that a number may go on with."""
        found = {
            token_id: text[: len(text) - len(text.lstrip(NUMBER_BYTES))]
            for token_id, text in enumerate(self.token_bytes[: self.vocab_size])
            if text[:1] and text[:1] in NUMBER_BYTES
        }
        # With three digits of its exponent, a short number may be too large.
        lengths = [len(text) + 64 * (b"e" in text.lower() and len(text) > 2) for text in found.values()]
        return NumberStarts(np.array([*found], np.int64), [*found.values()], np.array(lengths, np.int64))

    @cached_property
    def not_after_number(self) -> NDArray[np.bool_]:
        """Which tokens cannot follow a number in JSON, nor are more of it, bool ``(vocab_size,)``."""
        texts = enumerate(self.token_bytes[: self.vocab_size])
        found = np.zeros(self.vocab_size, np.bool_)
        found[[token_id for token_id, text in texts if text and text[:1] not in _AFTER_NUMBER + NUMBER_BYTES]] = True
        return found

    @cached_property
    def usual_in_texts(self) -> list[int]:
        """The ids of a letter and a quotation mark: where either may come, there is no number."""
        return self.ids_of([b"a", b'"'])

    @cached_property
    def points(self) -> list[int]:
        """The id of the decimal point."""
        return self.ids_of([b"."])

    def ids_of(self, texts: Sequence[bytes]) -> list[int]:
        """Return the ids of the tokens with these bytes, in this order; a text that is no token is left out."""
        return [self._ids_by_bytes[text] for text in texts if text in self._ids_by_bytes]

    def tokens_of_only(self, characters: bytes, *, after: bytes = b"") -> list[bytes]:
        """Return the tokens that are ``after`` and then one or more of ``characters``, the longest first."""
        allowed = set(characters)
        found = {
            text
            for text in self._ids_by_bytes
            if len(text) > len(after) and text.startswith(after) and allowed.issuperset(text[len(after) :])
        }
        return sorted(found, key=lambda text: (-len(text), text))

    @cached_property
    def _ids_by_bytes(self) -> dict[bytes, int]:
        ids = {text: token_id for token_id, text in reversed(list(enumerate(self.token_bytes)))}
        ids.pop(b"", None)
        return ids

    @cached_property
    def _matcher_tokenizer(self) -> LLTokenizer:
        names = [text or self._special_name(token_id) for token_id, text in enumerate(self.token_bytes)]
        special = [token_id for token_id, text in enumerate(self.token_bytes) if not text]
        ends = list(self.eos_token_ids)
        if not ends:
            # The matcher wants an end of text; this one is beyond the vocabulary, so that no mask shows it.
            ends = [len(names)]
            special.append(len(names))
            names.append(b"<end of text>")
        wrapper = _Wrapper(self._tokenizer, names, special, ends[0])
        return LLTokenizer(cast("TokenizerWrapper", wrapper), eos_token=ends)

    def _special_name(self, token_id: int) -> bytes:
        return self._tokenizer.token_name_bytes(token_id) or f"<unused {token_id}>".encode()


class _Wrapper:
    """What ``LLTokenizer`` asks of a tokenizer: these attributes, and a call that encodes a text."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, tokenizer: TextTokenizer, tokens: list[bytes], special: list[int], eos_token_id: int) -> None:
        self.tokens = tokens
        self.special_token_ids = special
        self.eos_token_id = eos_token_id
        self._tokenizer = tokenizer
        self._num_prefix = len(tokenizer.encode(""))
        names = set(special)  # which spell no text: those of control tokens are spelled with other tokens
        self._texts = [b"" if token_id in names else text for token_id, text in enumerate(tokens)]
        self._ids = {text: token_id for token_id, text in reversed(list(enumerate(self._texts))) if text}

    def __call__(self, text: str | bytes) -> list[int]:
        """Return the ids of ``text`` without BOS; they stand for exactly its bytes."""
        wanted = text if isinstance(text, bytes) else text.encode()
        token_ids = self._ids_of(self._tokenizer.encode(wanted.decode()))
        if not all(self._texts[token_id] for token_id in token_ids):
            token_ids = self._ids_of(self._encode_as_text(wanted.decode()))
        if b"".join(self._texts[token_id] for token_id in token_ids) == wanted:
            return token_ids
        return self._greedy(wanted)

    def _ids_of(self, encoded: NDArray[np.int64]) -> list[int]:
        token_ids: list[int] = encoded[self._num_prefix :].tolist()
        return token_ids

    def _encode_as_text(self, text: str) -> NDArray[np.int64]:
        """Return the ids of a text in which the names of control tokens are text, too."""
        controls = self._tokenizer.controls
        stand_ins = controls.stand_ins([text])
        return self._tokenizer.encode_marked(MarkedText(controls.marked(text, stand_ins), stand_ins))

    def _greedy(self, wanted: bytes) -> list[int]:
        """Return the longest tokens from left to right: for a tokenizer that adds a space or normalises."""
        token_ids: list[int] = []
        while wanted:
            length = next((n for n in range(min(len(wanted), 32), 0, -1) if wanted[:n] in self._ids), 0)
            if not length:
                return token_ids
            token_ids.append(self._ids[wanted[:length]])
            wanted = wanted[length:]
        return token_ids


def _filler_rank(text: bytes) -> tuple[bool, bool, int, bytes]:
    is_word = text.isalnum() and text.isascii()
    return not text, not is_word, -len(text), text
