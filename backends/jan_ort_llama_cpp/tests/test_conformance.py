"""The backend conforms: every check of the kit, exact to the bit where steps are of one kind."""

import pytest

pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed")
pytest.importorskip("jan_ort_llama_cpp.descriptor", reason="jan-ort-llama-cpp is not installed")

from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.backend.test_conformance import test_the_backend_conforms

__all__ = ["test_the_backend_conforms"]


@pytest.fixture(params=["llama", "lfm2", "qwen35"])
def jan_ort_backend(request: pytest.FixtureRequest) -> Subject:
    """A transformer, a model with convolutions' states, and one with a gated delta net's."""
    folder = request.getfixturevalue("tiny_folder" if request.param == "llama" else f"{request.param}_folder")
    return Subject.load("llama_cpp", folder)
