"""The backend conforms: every check of the kit, on a model folder that the test makes."""

from pathlib import Path

import pytest
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.backend.test_conformance import test_the_backend_conforms

__all__ = ["test_the_backend_conforms"]


@pytest.fixture
def jan_ort_backend(tmp_path: Path) -> Subject:
    (tmp_path / "counting.json").touch()
    return Subject.load("counting", tmp_path)
