"""Run one check in this process and turn what came of it into a case."""

from __future__ import annotations

import time

from jan_ort_backends import Unsupported
from jan_ort_conformance.backend.frames import where_raised
from jan_ort_conformance.backend.refusals import refuse
from jan_ort_conformance.backend.registry import Check
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.backend.trial import Trial
from jan_ort_conformance.backend.violation import Violation
from jan_ort_conformance.results import Case, Verdict


def judge(check: Check, subject: Subject) -> Case:
    """Return the check's case; whatever the backend raises becomes the detail of a FAIL."""
    started = time.perf_counter()
    verdict, detail = _verdict(check, subject)
    return Case(
        check.id, verdict, check.level, detail, subject.repeat(check.id, check.level), time.perf_counter() - started
    )


def _verdict(check: Check, subject: Subject) -> tuple[Verdict, str]:
    try:
        with Trial(subject) as trial:
            absent = [capability for capability in check.needs if capability not in trial.able]
            if absent:
                refuse(trial, absent[0])
            return Verdict.PASS, check.run(trial) or ""
    except Violation as violation:
        return violation.verdict, f"{violation}" if violation.verdict is Verdict.UNSUPPORTED else _told(
            check, violation
        )
    except Unsupported as error:
        return Verdict.LIES, _told(check, f"{error.capability} is declared, and the session says: {error}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a backend that calls sys.exit() is judged too
        return Verdict.FAIL, _told(check, f"{type(error).__name__}: {error}\n{where_raised(error, subject.backend)}")


def _told(check: Check, seen: object) -> str:
    return f"{seen}\npromised: {check.promise}"
