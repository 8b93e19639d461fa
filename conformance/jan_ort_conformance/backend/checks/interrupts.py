"""Interrupts: from another thread, at any moment, they end the running step or do nothing."""

from __future__ import annotations

from jan_ort_backends import Capability, Interrupted, SlotTokens
from jan_ort_conformance.backend.check_tools.aimed_interrupts import Aimed, aim
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import NUM_SLOTS, Fixture
from jan_ort_conformance.verdicts.verdict import Level, expect

NEEDS = (Capability.GENERATE, Capability.INTERRUPT)


@check("interrupts.between_steps_do_nothing", *NEEDS, level=Level.FULL)
def between_steps_do_nothing(fixture: Fixture) -> None:
    """An interrupt while no step runs does not end the next one."""
    writer, session = fixture.writer, fixture.session
    expected = writer.append(1, 10)
    for _ in range(3):
        session.interrupt()
    try:
        logits = writer.append(0, 10)
    except Interrupted:
        expect(False, "a step was ended by an interrupt that came before it began")
    expect_rows_equal(logits, expected, fixture.tolerances.same_kind, "a step after an interrupt")


@check("interrupts.end_a_running_step", *NEEDS, level=Level.FULL)
def end_a_running_step(fixture: Fixture) -> str:
    """An interrupt at any moment leaves a whole step or none: Interrupted with the old lengths, or the right logits."""
    writer = fixture.writer
    writer.append(2, 20)
    beside = writer.append(3, 20, 5)
    longer = [SlotTokens(slot, writer.text[:120]) for slot in range(NUM_SLOTS) if slot not in (2, 3)]
    told = aim(fixture, Aimed.at(writer, [SlotTokens(0, writer.text[:120])], longer), must_end=True)
    after = writer.append(2, 5)
    expect_rows_equal(after, beside, fixture.tolerances.same_kind, "another slot after interrupts")
    return told


@check("interrupts.leave_every_length_of_a_batch", *NEEDS, level=Level.FULL)
def leave_every_length_of_a_batch(fixture: Fixture) -> str:
    """When a step of several first prompts is interrupted, in whichever row, every slot of it is as empty as before."""
    text = fixture.writer.text
    four = [SlotTokens(slot, text[: 100 + slot]) for slot in range(4)]
    longer = [SlotTokens(slot, text[: 120 - slot]) for slot in range(NUM_SLOTS)]
    return aim(fixture, Aimed.at(fixture.writer, four, longer), must_end=True)


@check("interrupts.leave_what_slots_hold", *NEEDS, level=Level.FULL)
def leave_what_slots_hold(fixture: Fixture) -> str:
    """When a later chunk of a prompt is interrupted, its slot holds what it held before."""
    writer = fixture.writer
    writer.append(1, 20)
    return aim(fixture, Aimed.at(writer, [SlotTokens(1, writer.next(1, 100))]), must_end=False)


@check("interrupts.leave_decoding_slots", *NEEDS, level=Level.FULL)
def leave_decoding_slots(fixture: Fixture) -> str:
    """When a step that decodes in every slot is interrupted, each slot holds what it held before."""
    writer = fixture.writer
    for slot in range(NUM_SLOTS):
        writer.append(slot, 10 + 3 * slot)
    rows = [SlotTokens(slot, writer.next(slot, 1)) for slot in reversed(range(NUM_SLOTS))]
    return aim(fixture, Aimed.at(writer, rows), must_end=False)
