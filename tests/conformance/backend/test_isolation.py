"""A backend that exits, hangs or crashes fails its case, with what it said last, and the run goes on."""

from __future__ import annotations

import sys

import pytest

from jan_ort_backends.reference import ReferenceBackend
from jan_ort_backends.reference_tokenizer import FOLDER
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.judging.backend_run import run_backend
from jan_ort_conformance.backend.judging.isolated_check import judge_in_child
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.verdict import Verdict

PROCESSES = "tests.conformance.backend.broken_processes"

CRASH = "access violation" if sys.platform == "win32" else "SIGSEGV"
"""What reading at address 0 comes to; ctypes makes an error of it on Windows."""


def subject(target: str) -> Subject:
    return Subject.load(target)


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ("Exiting", ("exit status 3", "the driver is gone")),
        ("RaisingExit", ("SystemExit", "the driver is gone")),
        ("Crashing", (CRASH, "in step")),
    ],
)
def test_a_case_that_ends_its_process_fails_with_the_last_words(attribute: str, told: tuple[str, ...]) -> None:
    (check,) = select(patterns=("logits.finite",))

    case = judge_in_child(check, subject(f"{PROCESSES}:{attribute}"), 60)

    assert case.verdict is Verdict.FAIL
    assert all(words in case.detail for words in told), case.detail


def test_a_case_that_hangs_is_stopped_and_shows_where() -> None:
    (check,) = select(patterns=("logits.finite",))

    case = judge_in_child(check, subject(f"{PROCESSES}:Hanging"), 4)

    assert case.verdict is Verdict.FAIL
    assert "did not end within 4 s" in case.detail
    assert "broken_processes.py" in case.detail
    assert case.duration_s < 8


def test_the_run_goes_on_after_a_crash() -> None:
    crashing = subject(f"{PROCESSES}:Crashing")

    results = run_backend(crashing, only=("logits.finite", "slots.start_empty", "descriptor.well_formed"))

    verdicts = {case.id: case.verdict.value for case in results.cases}
    assert verdicts == {"logits.finite": "FAIL", "slots.start_empty": "PASS", "descriptor.well_formed": "PASS"}
    assert results.exit_status == 1


@pytest.mark.parametrize("check_id", ["descriptor.imports_no_runtime", "descriptor.imports_quickly"])
def test_a_module_that_imports_a_runtime_is_caught(check_id: str) -> None:
    (check,) = select(patterns=(check_id,))

    heavy = judge_in_child(check, subject("tests.conformance.backend.heavy_descriptor:backend"), 60)
    light = judge_in_child(check, subject("reference"), 60)

    assert (heavy.verdict, light.verdict) == (Verdict.FAIL, Verdict.PASS), (heavy.detail, light.detail)


def test_a_backend_without_a_name_has_no_process_of_its_own() -> None:
    (check,) = select(patterns=("logits.finite",))

    with pytest.raises(ValueError, match="given as an object"):
        judge_in_child(check, Subject(ReferenceBackend(), FOLDER), 60)


def test_a_hash_that_is_salted_by_the_process_is_caught() -> None:
    (check,) = select(patterns=("opening.hashes_alike_in_every_process",))

    salted = judge_backend_check(check, subject(f"{PROCESSES}:SaltedHash"))
    stable = judge_backend_check(check, subject("reference"))

    assert (salted.verdict, stable.verdict) == (Verdict.FAIL, Verdict.PASS), (salted.detail, stable.detail)
