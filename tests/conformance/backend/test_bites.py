"""The backend kit bites: each fault is caught by the check that names it; test_contract.py has the sound backends."""

from __future__ import annotations

import pytest

from jan_ort_conformance.backend import checks
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from tests.conformance.backend import (
    broken_caches,
    broken_checkpoints,
    broken_descriptors,
    broken_ends,
    broken_images,
    broken_interrupts,
    broken_slots,
    broken_states,
    broken_steps,
)
from tests.conformance.backend.broken import FAULTS, Fault

assert checks
assert broken_caches
assert broken_checkpoints
assert broken_descriptors
assert broken_ends
assert broken_images
assert broken_interrupts
assert broken_slots
assert broken_states
assert broken_steps

IN_A_PROCESS_OF_THEIR_OWN = {
    "descriptor.imports_no_runtime",
    "descriptor.imports_quickly",
    "opening.hashes_alike_in_every_process",
}
"""Their faults are in test_isolation.py."""


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS.values()])
def test_a_fault_is_caught_by_the_check_that_names_it(fault: Fault) -> None:
    (check,) = select(patterns=(fault.caught_by,))

    case = judge_backend_check(check, fault.subject())

    assert (case.verdict, case.id) == (fault.verdict, fault.caught_by), case.detail
    assert case.detail
    assert "conformance/backend/expectations.py" not in case.detail.replace("\\", "/"), "the kit itself is broken"
    assert "AttributeError" not in case.detail, "the fault itself is broken, and not what it should show"


def test_every_check_has_a_fault_that_it_catches() -> None:
    caught = {fault.caught_by for fault in FAULTS.values()} | IN_A_PROCESS_OF_THEIR_OWN

    idle = {check.id for check in select()} - caught

    assert idle == set()
