"""What a failing part of opening leaves behind: nothing. llama.cpp is played by a table of functions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_backends import OpenOptions, OutOfMemory
from jan_ort_llama_cpp import opening

MODEL, CONTEXT, NONE = "model", "context", None


class Library:
    """The functions of llama.cpp that opening calls; any other returns 0. ``calls`` has what was freed."""

    LLAMA_FLASH_ATTN_TYPE_ENABLED = 1

    def __init__(self, **answers: object) -> None:
        self.answers = {
            "llama_model_load_from_file": MODEL,
            "llama_init_from_model": CONTEXT,
            "llama_model_has_decoder": True,
            "llama_model_n_ctx_train": 64,
            "llama_vocab_n_tokens": 8,
            "llama_model_default_params": self,
            "llama_context_default_params": self,
            **answers,
        }
        self.freed: list[object] = []

    def llama_free(self, context: object) -> None:
        self.freed.append(context)

    def llama_model_free(self, model: object) -> None:
        self.freed.append(model)

    def ggml_abort_callback(self, asks: object) -> object:
        return asks

    def __getattr__(self, name: str) -> Callable[..., object]:
        def answer(*_: object) -> object:
            found = self.answers.get(name, 0)
            if isinstance(found, BaseException):
                raise found
            return found

        return answer


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF")
    return path


def open_with(library: Library, gguf: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(opening, "load_library", lambda: library)
    return opening.open_session(gguf, OpenOptions(num_slots=2))


def test_a_session_owns_its_model_and_context(gguf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()

    session = open_with(library, gguf, monkeypatch)

    assert library.freed == []
    session.close()
    assert library.freed == [CONTEXT, MODEL]


@pytest.mark.parametrize(
    ("answers", "error", "freed"),
    [
        ({"llama_get_memory": RuntimeError("no memory")}, RuntimeError, [CONTEXT, MODEL]),
        ({"llama_init_from_model": NONE}, OutOfMemory, [MODEL]),
        ({"llama_model_n_ctx_train": ValueError("no length")}, ValueError, [MODEL]),
    ],
)
def test_what_fails_while_opening_frees_what_is_open(
    gguf: Path, monkeypatch: pytest.MonkeyPatch, answers: dict[str, object], error: type, freed: list[object]
) -> None:
    library = Library(**answers)

    with pytest.raises(error):
        open_with(library, gguf, monkeypatch)

    assert library.freed == freed
