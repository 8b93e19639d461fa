"""Both backends behind one fixture: the reference, and onnxruntime with a tiny random llama."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jan_ort.convert import convert_gguf
from jan_ort_backends import Backend, OpenOptions, Session
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_onnxruntime import OnnxRuntimeBackend
from tests.backends.onnxruntime.tiny_llama import write_tiny_llama

OpenSession = Callable[..., Session]


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama, converted."""
    root = tmp_path_factory.mktemp("llama")
    folder = root / "folder"
    folder.mkdir()
    convert_gguf(write_tiny_llama(root / "tiny.gguf"), folder)
    return folder


@pytest.fixture(params=["reference", "onnxruntime"])
def backend_and_folder(request: pytest.FixtureRequest) -> tuple[Backend, Path]:
    """Each backend with a generation model that it opens."""
    if request.param == "reference":
        return ReferenceBackend(), FOLDER
    return OnnxRuntimeBackend(), request.getfixturevalue("llama_folder")


@pytest.fixture
def open_session(backend_and_folder: tuple[Backend, Path]) -> Iterator[OpenSession]:
    """Opens sessions of the backend, by OpenOptions' fields, and closes them in the end."""
    backend, folder = backend_and_folder
    opened: list[Session] = []

    def open_one(*, num_slots: int = 6, context_length: int | None = 128) -> Session:
        opened.append(backend.open(folder, OpenOptions(num_slots=num_slots, context_length=context_length)))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session: OpenSession) -> Session:
    """A session of six slots of 128 tokens."""
    return open_session()
