"""A vocabulary as llama.cpp reads it, by the low-level functions of llama-cpp-python."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import llama_cpp

_MAX_PIECE = 4096


class LlamaCppVocabulary:
    """The vocabulary of a GGUF file, without its weights."""

    def __init__(self, path: Path) -> None:
        # The object keeps the model.
        self._llama = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
        self._vocab = llama_cpp.llama_model_get_vocab(self._llama.model)
        self.size: int = llama_cpp.llama_vocab_n_tokens(self._vocab)

    def encode(self, text: str, *, add_special: bool = False) -> list[int]:
        """Return the ids of a text, special tokens in it included."""
        token_ids: list[int] = self._llama.tokenize(text.encode(), add_bos=add_special, special=True)
        return token_ids

    def piece(self, token_id: int) -> bytes:
        """Return the bytes that a token stands for; none for a special one."""
        buffer = ctypes.create_string_buffer(_MAX_PIECE)
        size = llama_cpp.llama_token_to_piece(self._vocab, token_id, buffer, _MAX_PIECE, 0, False)
        return buffer.raw[:size]

    def described(self) -> dict[str, Any]:
        """Return what it says of its special tokens."""
        return {
            "bos": llama_cpp.llama_vocab_bos(self._vocab),
            "eos": llama_cpp.llama_vocab_eos(self._vocab),
            "adds_bos": bool(llama_cpp.llama_vocab_get_add_bos(self._vocab)),
            "ends": [each for each in range(self.size) if llama_cpp.llama_vocab_is_eog(self._vocab, each)],
            "of_nothing": self.encode("", add_special=True),
        }
