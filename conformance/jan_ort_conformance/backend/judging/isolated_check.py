"""One check in a child process: load the backend there, judge the check, and read the verdict here."""

from __future__ import annotations

import faulthandler
import json
import time
from dataclasses import asdict, replace

from jan_ort_conformance.backend.check_tools.backend_check import BackendCheck
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.isolation.child_process import ask_child, write_answer
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.results import Case
from jan_ort_conformance.verdicts.verdict import Level, Verdict

_JUDGE = ("-c", f"import sys; from {__name__} import judge_here; judge_here(*sys.argv[1:])")


def judge_in_child(check: BackendCheck, subject: Subject, time_limit_s: float) -> Case:
    """Return the case that a child process makes of the check, or a FAIL that says how the child ended.

    The subject needs a ``target``, by which the child loads the backend anew. Raises: ValueError if it has none.
    """
    if not subject.target:
        raise ValueError("a backend given as an object cannot be judged in a child process; use Subject.load(target)")
    started = time.perf_counter()
    stacks_at = str(time.time() + 0.9 * time_limit_s)
    ended = ask_child(_JUDGE, (subject.to_json(), check.id, stacks_at), time_limit_s)
    duration_s = time.perf_counter() - started  # with the child's start
    if ended.answer is not None and ended.is_clean:
        return replace(_case(ended.answer), duration_s=duration_s)
    told = ended.told if ended.is_late else f"the backend ended its process: {ended.told}"
    if ended.answer is not None:
        told = f"after the check, while leaving, {told}"
    detail = f"{told}\npromised: {check.promise}\n{ended.stderr}".strip()
    return Case(check.id, Verdict.FAIL, check.level, detail, subject.repeat(check.id, check.level), duration_s)


def judge_here(answer_path: str, subject_json: str, check_id: str, stacks_at: str) -> None:
    """Judge ``check_id`` in this process, and write the case.

    Print every thread's stack to stderr if it is still at work at ``stacks_at`` (epoch, s).
    """
    faulthandler.enable()
    faulthandler.dump_traceback_later(max(0.01, float(stacks_at) - time.time()), exit=False)
    (check,) = select(patterns=(check_id,))
    case = judge_backend_check(check, Subject.from_json(subject_json))
    faulthandler.cancel_dump_traceback_later()
    write_answer(answer_path, json.dumps(asdict(case)))


def _case(answer: str) -> Case:
    fields = json.loads(answer)
    return Case(**fields | {"verdict": Verdict(fields["verdict"]), "level": Level(fields["level"])})
