"""The kit as one parametrised test; import it into a test module, and override ``jan_ort_backend`` there."""

from __future__ import annotations

import pytest

from jan_ort_conformance.backend.check_tools.backend_check import BackendCheck
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.judging.backend_run import TIME_LIMIT_S
from jan_ort_conformance.backend.judging.isolated_check import judge_in_child
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Verdict

__all__ = ["test_the_backend_conforms"]


@pytest.mark.parametrize("check", [pytest.param(check, id=check.id) for check in select()])
def test_the_backend_conforms(check: BackendCheck, jan_ort_backend: Subject, request: pytest.FixtureRequest) -> None:
    """One check of the kit, in this process; UNSUPPORTED is shown as skipped."""
    if request.config.getoption("--jan-ort-isolated", default=False):
        case = judge_in_child(check, jan_ort_backend, TIME_LIMIT_S)
    else:
        case = judge_backend_check(check, jan_ort_backend)
    if case.verdict is Verdict.UNSUPPORTED:
        pytest.skip(case.detail)
    if case.verdict.is_bad:
        pytest.fail(f"{case.verdict} {case.id}: {case.detail}\n{case.repeat}", pytrace=False)
