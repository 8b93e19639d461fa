"""Declared = implemented, in both directions."""

import numpy as np
import pytest

from jan_ort_backends import (
    BackendError,
    BadInput,
    Capability,
    OpenOptions,
    Session,
    SlotTokens,
    check_session,
    session_capabilities,
)
from jan_ort_backends.checks import check_kind
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER


class Declaring(ReferenceBackend):
    def __init__(self, *capabilities: Capability) -> None:
        self.capabilities = frozenset(capabilities)


def opened() -> ReferenceSession:
    return ReferenceBackend().open(FOLDER, OpenOptions(num_slots=1))


def test_the_reference_keeps_what_it_declares() -> None:
    session = opened()

    check_session(ReferenceBackend(), session)

    assert session_capabilities(ReferenceBackend(), session) == frozenset(Capability) - {
        Capability.CHECKPOINTS,
        Capability.IMAGES,
    }


def test_a_declared_method_that_is_missing_is_named() -> None:
    class Unforked(ReferenceSession):
        fork = Session.fork

    with pytest.raises(BackendError, match=r"declares fork without fork\(\)"):
        check_session(ReferenceBackend(), Unforked(1, 8))


def test_a_method_without_its_capability_is_named() -> None:
    backend = Declaring(*set(Capability) - {Capability.INTERRUPT})

    with pytest.raises(BackendError, match=r"has interrupt\(\) without the capability interrupt"):
        check_session(backend, opened())


def test_a_session_of_another_type_is_refused() -> None:
    with pytest.raises(BackendError, match="must subclass Session"):
        check_session(ReferenceBackend(), object())  # type: ignore[arg-type]


def rows(*lengths: int) -> list[SlotTokens]:
    return [SlotTokens(slot, np.arange(length)) for slot, length in enumerate(lengths)]


@pytest.mark.parametrize(("more", "held"), [((7,), [5]), ((1, 1, 1), [5, 0, 9]), ((3, 1, 8), [0, 0, 0])])
def test_each_kind_of_step_needs_no_mixed_batch(more: tuple[int, ...], held: list[int]) -> None:
    check_kind(rows(*more), held)


@pytest.mark.parametrize(("more", "held"), [((1, 7), [5, 0]), ((2, 2), [0, 5]), ((7, 1), [0, 5])])
def test_a_mixed_step_is_refused_with_the_slot_that_has_a_past(more: tuple[int, ...], held: list[int]) -> None:
    with pytest.raises(BadInput, match=f"slot {held.index(5)} holds 5 tokens"):
        check_kind(rows(*more), held)
