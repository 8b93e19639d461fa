"""The backend conforms: every check of the kit, exact to the bit where steps are of one kind."""

from pathlib import Path

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.backend.test_conformance import test_the_backend_conforms

__all__ = ["test_the_backend_conforms"]


@pytest.fixture
def jan_ort_backend(tiny_folder: Path) -> Subject:
    return Subject.load("llama_cpp", tiny_folder)
