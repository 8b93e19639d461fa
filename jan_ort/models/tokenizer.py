"""Text to token ids and back, with the bytes of every token (hops 3 and 8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from jan_ort.models.errors import ModelFolderError, ModelsError


class TokenIdError(ModelsError):
    """Raised when a token id is not in the model's vocabulary."""

    def __init__(self, token_id: int, vocab_size: int) -> None:
        super().__init__(f"token id {token_id} is not in the vocabulary; ids go from 0 to {vocab_size - 1}")
        self.token_id = token_id


class TextTokenizer:
    """A model's ``tokenizer.json``, with special tokens in the text recognised and BOS as the model has it."""

    def __init__(self, path: Path, *, bos_token_id: int | None = None, add_bos: bool = False) -> None:
        self._tokenizer = _read(path)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._bos = bos_token_id if add_bos else None
        # Not the number of tokens: some vocabularies have gaps.
        self.vocab_size = 1 + max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)

    def encode(self, text: str) -> NDArray[np.int64]:
        """Return the token ids of ``text``, int64 ``(n,)``. Releases the interpreter's lock while it works."""
        # encode() holds the lock for the whole text (a second per megabyte); the batch call does not.
        token_ids = self._tokenizer.encode_batch([text], add_special_tokens=self._adds_specials)[0].ids
        if self._bos is not None and token_ids[:1] != [self._bos]:
            token_ids = [self._bos, *token_ids]
        return np.array(token_ids, dtype=np.int64)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of ``token_ids``, special tokens left out. Raises: TokenIdError."""
        self.check(token_ids)
        if self._byte_table is not None:
            return b"".join(self.token_bytes(token_id) for token_id in token_ids).decode("utf-8", "replace")
        return str(self._tokenizer.decode_batch([list(token_ids)], skip_special_tokens=True)[0])

    def check(self, token_ids: Sequence[int]) -> None:
        """Raise TokenIdError for the first id that is not in the vocabulary."""
        for token_id in token_ids:
            if not 0 <= token_id < self.vocab_size:
                raise TokenIdError(token_id, self.vocab_size)

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for a special token or an id without a token."""
        table = self._byte_table
        if table is None:
            return str(self._tokenizer.decode([token_id])).encode()
        return table[token_id] if 0 <= token_id < len(table) else b""

    def token_text(self, token_id: int) -> str:
        """Return a token as text, special tokens included; half a character becomes U+FFFD."""
        return self.token_name_bytes(token_id).decode("utf-8", "replace")

    def token_name_bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token, for a special token those of its name."""
        return self.token_bytes(token_id) or str(self._tokenizer.id_to_token(token_id) or "").encode()

    @cached_property
    def _adds_specials(self) -> bool:
        # A generation prompt gets BOS by the model's own rule above; an encoder's template ([CLS] … [SEP]) is its own.
        return self._byte_table is None

    @cached_property
    def _byte_table(self) -> list[bytes] | None:
        """The bytes of every token, or None when the decoder is not one that works token by token."""
        description = json.loads(self._tokenizer.to_str())
        to_bytes = _byte_decoder(description.get("decoder") or {})
        if to_bytes is None:
            return None
        added = {token["id"]: token for token in description["added_tokens"]}
        table = [b""] * self.vocab_size
        for token, token_id in self._tokenizer.get_vocab(with_added_tokens=False).items():
            table[token_id] = to_bytes(token)
        for token_id, token in added.items():
            table[token_id] = b"" if token["special"] else token["content"].encode()
        return table


def _read(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing more specific
        raise ModelFolderError(
            f"{path} cannot be read as a tokenizer ({error}); get it again from where the model is from"
        ) from error


def _byte_decoder(decoder: dict[str, Any]) -> Callable[[str], bytes] | None:
    """Return how a token's spelling becomes bytes under this decoder of tokenizer.json."""
    kinds = [decoder.get("type"), *(part.get("type") for part in decoder.get("decoders", []))]
    if "ByteLevel" in kinds:
        alphabet = byte_alphabet()
        return lambda token: _spelled_bytes(token, alphabet)
    if "ByteFallback" in kinds:
        return _byte_fallback
    return None


def _spelled_bytes(token: str, alphabet: Mapping[str, int]) -> bytes:
    """Return the bytes that the characters stand for; a token with any other character stands for itself."""
    if all(character in alphabet for character in token):
        return bytes(alphabet[character] for character in token)
    return token.encode()


def _byte_fallback(token: str) -> bytes:
    """SentencePiece's spelling: ▁ is a space, and <0xNN> one byte."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        return bytes([int(token[3:5], 16)])
    return token.replace("▁", " ").encode()


def byte_alphabet() -> dict[str, int]:
    """Return GPT-2's printable stand-in of each byte, by stand-in (Radford et al. 2019, the released encoder)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + at): byte for at, byte in enumerate(others)}
