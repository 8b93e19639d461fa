"""What a backend may bring for models whose tokenizer is in no tokenizer.json: its own way to cut texts. Since 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class VocabularyToken:
    """A token: its ``name`` in the vocabulary, unique, and the ``text`` that it stands for, b"" for a control token."""

    name: str
    text: bytes
    is_control: bool = False


class BackendTokenizer(Protocol):
    """A vocabulary and how texts are cut into it. Thread-safe: requests are read while others are computed."""

    @property
    def tokens(self) -> Sequence[VocabularyToken]:
        """The tokens in the order of their ids; a text is what its tokens stand for, one after another."""
        ...

    @property
    def num_stripped(self) -> int:
        """How many spaces tokenizing puts before a text, which are no part of it."""
        ...

    def tokenize(self, text: str) -> Sequence[int]:
        """Return the ids of a text, without BOS; the names of control tokens in it are text."""
        ...


@runtime_checkable
class OpensTokenizers(Protocol):
    """A :class:`Backend` that reads the tokenizers of its own files; without it a folder needs a tokenizer.json.

    It is no part of a session, which is one thread's, may be in another process, and is opened again after a failure.
    """

    def open_tokenizer(self, model_dir: Path) -> BackendTokenizer:
        """Read the tokenizer of a folder whose jan_ort.json has ``"tokenizer": "backend"``. Raises: ModelError."""
        ...
