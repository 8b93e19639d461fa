"""The backend kit on the reference in a process of its own; opening and descriptor are the plugin's own affair."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort_backends import OpenOptions, Session
from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.check_tools.backend_check import BackendCheck
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.subject import Subject, Tolerances


class IsolatedBackend(ReferenceBackend):
    """Opens each session in a process of its own."""

    def open(self, model_dir: Path, options: OpenOptions) -> Session:  # type: ignore[override]
        return open_isolated(self, model_dir, options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "check",
    [pytest.param(each, id=each.id) for each in select() if each.id.split(".")[0] not in ("opening", "descriptor")],
)
def test_an_isolated_session_conforms(check: BackendCheck) -> None:
    subject = Subject(IsolatedBackend(), FOLDER, tolerances=Tolerances(other_kind=1e-6, vectors=1e-6))

    case = judge_backend_check(check, subject)

    assert not case.verdict.is_bad, case.detail
