"""The pytest plugin of the backend kit: its options, and the fixture that says which backend is judged."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

EXIT_NOT_RUN = 3
"""As the command's: there is no such backend or model, and nothing was judged."""

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


@pytest.fixture(scope="session")
def jan_ort_backend(request: pytest.FixtureRequest) -> Subject:
    """The backend that is judged; override it to judge another: ``return Subject(backend, model_dir)``.

    One that cannot be loaded, or whose model is refused, ends the run: each check would say the same.
    """
    from jan_ort_backends import BackendError  # numpy is imported only where the kit is used
    from jan_ort_conformance.backend.isolation.first_opening import expect_model
    from jan_ort_conformance.backend.judging.backend_run import TIME_LIMIT_S
    from jan_ort_conformance.backend.subject import Subject

    name, model = request.config.getoption("--jan-ort-backend"), request.config.getoption("--jan-ort-model")
    if name is None:
        pytest.skip("say which backend to judge: --jan-ort-backend NAME")
    try:
        subject = Subject.load(name, Path(model) if model else None)
        expect_model(subject, TIME_LIMIT_S if request.config.getoption("--jan-ort-isolated") else None)
    except BackendError as error:
        pytest.exit(str(error), returncode=EXIT_NOT_RUN)
    return subject
