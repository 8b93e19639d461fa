"""llama.cpp's own tokenizer of a file, for those that no tokenizer.json says."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jan_ort_backends import ModelError, VocabularyToken
from jan_ort_llama_cpp.library import complaints, load_library

_MAX_PIECE = 4096
_UNKNOWN = 1  # LLAMA_TOKEN_ATTR_UNKNOWN


class LlamaCppTokenizer:
    """The vocabulary of a GGUF file, without its weights. llama.cpp's vocabularies are read by any thread."""

    def __init__(self, library: Any, model: Any) -> None:
        self._library = library
        self._vocab = library.llama_model_get_vocab(model)
        weakref.finalize(self, library.llama_model_free, model)
        self.tokens = [self._token(token_id) for token_id in range(library.llama_vocab_n_tokens(self._vocab))]
        begun = b"".join(self.tokens[token_id].text for token_id in self.tokenize("a"))
        self.num_stripped = len(begun) - len(begun.lstrip(b" "))

    def _token(self, token_id: int) -> VocabularyToken:
        library, buffer = self._library, ctypes.create_string_buffer(_MAX_PIECE)
        name = (library.llama_vocab_get_text(self._vocab, token_id) or b"").decode("utf-8", "replace")
        is_control = library.llama_vocab_is_control(self._vocab, token_id) or bool(
            library.llama_vocab_get_attr(self._vocab, token_id) & _UNKNOWN
        )
        size = 0 if is_control else library.llama_token_to_piece(self._vocab, token_id, buffer, _MAX_PIECE, 0, False)
        return VocabularyToken(name or f"[EMPTY_{token_id}]", buffer.raw[: max(0, size)], bool(is_control))

    def tokenize(self, text: str) -> Sequence[int]:
        """Return the ids of a text, without BOS; the names of control tokens in it are text."""
        content = text.encode()
        size = len(content) + 8
        while True:
            room = (self._library.llama_token * size)()
            found = self._library.llama_tokenize(self._vocab, content, len(content), room, size, False, False)
            if 0 <= found <= size:
                return list(room[:found])
            if not size < -found <= 2**28:
                raise ModelError(f"llama.cpp does not tokenize a text of {len(content)} bytes: {complaints()}")
            size = -found


def open_tokenizer(path: Path) -> LlamaCppTokenizer:
    """Read the vocabulary of a file alone. Raises: ModelError."""
    library = load_library()
    parameters = library.llama_model_default_params()
    parameters.vocab_only = True
    complaints()
    model = library.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise ModelError(f"{path} has no vocabulary that llama.cpp reads: {complaints() or 'it gives no reason'}")
    return LlamaCppTokenizer(library, model)
