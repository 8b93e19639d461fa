"""The child process of one case: load the backend, judge one check, and write the verdict where the parent reads it."""

from __future__ import annotations

import faulthandler
import json
import sys
import time
from dataclasses import asdict

from jan_ort_conformance.backend import checks
from jan_ort_conformance.backend.isolation import write_answer
from jan_ort_conformance.backend.judge import judge
from jan_ort_conformance.backend.registry import select
from jan_ort_conformance.backend.subject import Subject

assert checks.__all__  # imported for its registrations


def main(answer_path: str, subject_json: str, check_id: str, stacks_at: str) -> None:
    """Judge ``check_id``; print every thread's stack to stderr if it is still at work at ``stacks_at`` (epoch, s)."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(max(0.01, float(stacks_at) - time.time()), exit=False)
    (check,) = select(patterns=(check_id,))
    case = judge(check, Subject.from_json(subject_json))
    faulthandler.cancel_dump_traceback_later()
    write_answer(answer_path, json.dumps(asdict(case)))


if __name__ == "__main__":
    main(*sys.argv[1:])
