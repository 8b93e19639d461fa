"""What every backend owes the server: the whole backend kit, on the reference and on onnxruntime's two kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.convert import convert_sentence_transformers
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.subject import Subject, Tolerances
from jan_ort_conformance.backend.test_conformance import test_the_backend_conforms
from tests.convert.tiny_bert import write_tiny_bert

__all__ = ["test_the_backend_conforms"]

EXACT = Tolerances(other_kind=1e-6, vectors=1e-6)
"""Float activations: what is computed in two ways differs by rounding only."""

QUANTISED = Tolerances(other_kind=3e-3)
"""Activations of 8 bits: one that rounds the other way moved a row in 48 by 0.006 of its range, the median by 2e-7."""


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny sentence embedder, converted."""
    root = tmp_path_factory.mktemp("bert")
    (root / "folder").mkdir()
    convert_sentence_transformers(write_tiny_bert(root / "source"), root / "folder")
    return root / "folder"


@pytest.fixture(params=["reference", "llama", "bert"])
def jan_ort_backend(request: pytest.FixtureRequest) -> Subject:
    """Each backend with a model that takes milliseconds to open."""
    if request.param == "reference":
        return Subject.load("reference", FOLDER, tolerances=EXACT)
    folder = request.getfixturevalue(f"{request.param}_folder")
    return Subject.load("onnxruntime", folder, tolerances=QUANTISED if request.param == "llama" else EXACT)
