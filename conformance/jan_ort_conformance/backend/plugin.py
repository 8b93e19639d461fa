"""The pytest plugin of the backend kit: its options, and the fixture that says which backend is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from jan_ort_conformance.backend.subject import Subject


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("jan-ort backend kit")
    group.addoption("--jan-ort-backend", metavar="NAME", help="the backend to judge: its name, or module:attribute")
    group.addoption("--jan-ort-model", metavar="PATH", help="the model folder to open; else its only built-in model")
    group.addoption(
        "--jan-ort-isolated", action="store_true", help="judge each case in a child process, as the command does"
    )


@pytest.fixture
def jan_ort_backend(request: pytest.FixtureRequest) -> Subject:
    """The backend that is judged; override it to judge another: ``return Subject(backend, model_dir)``."""
    from jan_ort_conformance.backend.subject import Subject  # numpy is imported only where the kit is used

    name, model = request.config.getoption("--jan-ort-backend"), request.config.getoption("--jan-ort-model")
    if name is None:
        pytest.skip("say which backend to judge: --jan-ort-backend NAME")
    return Subject.load(name, Path(model) if model else None)
