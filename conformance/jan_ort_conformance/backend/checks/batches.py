"""Rows of a batch are independent: a sequence's logits do not depend on its company."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_alike, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import NUM_SLOTS, Fixture
from jan_ort_conformance.verdicts.verdict import expect

GENERATE = Capability.GENERATE
LENGTHS = (9, 31, 2, 64, 17, 40, 23, 5)


@check("batches.decode_equals_alone", GENERATE)
def decode_equals_alone(fixture: Fixture) -> None:
    """Decoding in any company, of any lengths and in any order, equals decoding alone."""
    writer, alone = fixture.writer, []
    for slot, length in enumerate(LENGTHS):
        writer.append(slot, length)
        alone.append(writer.decode(slot)[0])
        fixture.session.truncate(slot, length)
    for company in ((0, 1), (1, 0), (5, 0, 3), (2, 4), (7, 6, 5, 4, 3, 2, 1, 0)):
        together = writer.decode(*company)
        for row, slot in zip(together, company, strict=True):
            expect_rows_equal(row, alone[slot], fixture.tolerances.same_kind, f"slot {slot} in the company {company}")
            fixture.session.truncate(slot, LENGTHS[slot])


@check("batches.changing_company_equals_alone", GENERATE)
def changing_company_equals_alone(fixture: Fixture) -> None:
    """Long decoding in a company that changes at every step equals decoding alone."""
    writer, session = fixture.writer, fixture.session
    for slot in range(NUM_SLOTS):
        writer.append(slot, 5 + 3 * slot)
    last: dict[int, NDArray[np.float32]] = {}
    for company in ((0, 5), (0, 5, 3), (5, 1), (4, 2, 0), (6, 1, 3, 5, 7)) * 4:
        last.update(zip(company, writer.decode(*company), strict=True))
    for slot in reversed(range(NUM_SLOTS)):
        num_decoded = session.length(slot) - 5 - 3 * slot
        session.truncate(slot, 0)
        alone = writer.append(slot, 5 + 3 * slot, *[1] * num_decoded)
        expect_rows_equal(alone, last[slot], fixture.tolerances.same_kind, f"slot {slot} after {num_decoded} steps")


@check("batches.first_prompts_equal_alone", GENERATE)
def first_prompts_equal_alone(fixture: Fixture) -> None:
    """Several first prompts of any lengths in one step equal each alone, and so does decoding after them."""
    writer, same = fixture.writer, fixture.tolerances.same_kind
    for lengths in ((10, 11, 12), (3, 40, 5), (2, 6, 3, 50), (5, 9, 2, 4, 3, 7, 6, 8)):
        for slot in range(NUM_SLOTS):
            fixture.session.truncate(slot, 0)
        slots = range(len(lengths))
        together = writer.step([SlotTokens(slot, writer.text[: lengths[slot]]) for slot in slots])
        continued = writer.decode(*slots)
        for slot in slots:
            fixture.session.truncate(0, 0)
            what = f"slot {slot} of first prompts of {lengths} tokens"
            expect_rows_equal(together[slot], writer.append(0, lengths[slot]), same, what)
            expect_rows_equal(continued[slot], writer.decode(0), same, f"{what}, continued")


@check("batches.first_prompts_of_one_token", GENERATE)
def first_prompts_of_one_token(fixture: Fixture) -> None:
    """First prompts of one token, alone or beside longer ones, are rows like any other."""
    writer = fixture.writer
    together = writer.step([SlotTokens(slot, writer.text[:length]) for slot, length in enumerate((1, 6, 1, 5))])
    for slot, length in enumerate((1, 6, 1, 5)):
        fixture.session.truncate(5, 0)
        alone, what = writer.append(5, length), f"a first prompt of {length} tokens"
        if length == 1:
            expect_rows_alike(together[slot], alone, fixture.tolerances.other_kind, what)
        else:
            expect_rows_equal(together[slot], alone, fixture.tolerances.same_kind, what)


@check("batches.start_in_any_empty_slot", GENERATE)
def start_in_any_empty_slot(fixture: Fixture) -> None:
    """First prompts start in whatever slots are empty, and leave the others as they were."""
    writer, same = fixture.writer, fixture.tolerances.same_kind
    other = fixture.open()
    plain, other.text = writer.text, writer.text[::-1].copy()
    writer.text = other.text
    for slot in (0, 2, 5):
        writer.append(slot, 8 + slot)
    writer.text = plain
    together = writer.step([SlotTokens(slot, writer.text[:9]) for slot in (4, 1, 3)])
    expect_rows_equal(together[0], together[1], same, "one prompt in slots 4 and 1")
    expect_rows_equal(together[0], together[2], same, "one prompt in slots 4 and 3")
    writer.text = other.text
    for slot in (0, 2, 5):
        alone = other.append(slot, 8 + slot, 3)
        expect_rows_equal(writer.append(slot, 3), alone, same, f"slot {slot}, which was busy meanwhile")


@check("batches.idle_slots_keep_their_content", GENERATE)
def idle_slots_keep_their_content(fixture: Fixture) -> None:
    """Slots between those of a batch, half full or full, keep their tokens."""
    writer, session = fixture.writer, fixture.session
    full = session.info.context_length
    lengths = (60, 60, min(full, len(writer.text)), 60)
    for slot, length in enumerate(lengths):
        writer.append(slot, length)
    expected = [writer.append(5, lengths[2] - 2, 2), None]
    session.truncate(5, 0)
    expected[1] = writer.append(5, 60, 10)
    for _ in range(5):
        writer.decode(0, 3)
    session.truncate(2, lengths[2] - 2)
    for slot, num_tokens, logits in ((2, 2, expected[0]), (1, 10, expected[1])):
        assert logits is not None
        expect_rows_equal(writer.append(slot, num_tokens), logits, fixture.tolerances.same_kind, f"idle slot {slot}")


@check("batches.change_only_their_own_slots", GENERATE)
def change_only_their_own_slots(fixture: Fixture) -> None:
    """A step adds its tokens to the lengths of its own slots and of no other."""
    writer = fixture.writer
    writer.step([SlotTokens(slot, writer.text[:length]) for slot, length in ((3, 4), (1, 7))])
    expect(writer.lengths() == [0, 7, 0, 4, 0, 0, 0, 0], f"after first prompts, the lengths are {writer.lengths()}")
    writer.decode(3)
    writer.append(0, 5)
    expect(writer.lengths() == [5, 7, 0, 5, 0, 0, 0, 0], f"after single rows, the lengths are {writer.lengths()}")


@check("batches.mixed_rows_equal_alone", GENERATE, Capability.MIXED_BATCH)
def mixed_rows_equal_alone(fixture: Fixture) -> None:
    """One step of decoding rows, first prompts and later chunks gives each row what it gets alone."""
    _expect_mixed_equal_alone(fixture, ((0, 20, 1, 1), (1, 0, 7, 1), (2, 30, 12, 1), (3, 5, 1, 1)))
    for slot in range(NUM_SLOTS):
        fixture.session.truncate(slot, 0)
    full = (
        (7, 40, 1, 1),
        (0, 3, 9, 1),
        (6, 0, 21, 1),
        (1, 17, 1, 1),
        (5, 8, 2, 1),
        (2, 0, 4, 1),
        (4, 60, 5, 1),
        (3, 9, 1, 1),
    )
    _expect_mixed_equal_alone(fixture, full)


@check("batches.mixed_rows_of_any_logits", GENERATE, Capability.MIXED_BATCH)
def mixed_rows_of_any_logits(fixture: Fixture) -> None:
    """Rows of a mixed step that want no logits, one or several leave each other theirs, in the order of the batch."""
    silent_ends = ((0, 20, 1, 0), (1, 0, 7, 1), (2, 30, 12, 5), (3, 5, 1, 1), (4, 0, 9, 2), (5, 16, 4, 0))
    silent_middle = ((3, 11, 6, 3), (5, 0, 14, 0), (1, 25, 1, 0), (4, 7, 1, 1), (0, 33, 8, 8), (2, 0, 5, 1))
    for plan in (silent_ends, silent_middle):
        _expect_mixed_equal_alone(fixture, plan)
        for slot in range(NUM_SLOTS):
            fixture.session.truncate(slot, 0)


def _expect_mixed_equal_alone(fixture: Fixture, plan: Sequence[tuple[int, int, int, int]]) -> None:
    """Expect of one step what each row gives alone; the plan has slots, tokens held, tokens more and logits wanted."""
    writer, same = fixture.writer, fixture.tolerances.same_kind
    alone, continued = [], []
    for slot, held, more, wanted in plan:
        if held:
            writer.append(slot, held)
        alone.append(writer.append(slot, more, num_logits=wanted))
        continued.append(writer.decode(slot)[0])
        fixture.session.truncate(slot, held)
    rows = [SlotTokens(slot, writer.text[held : held + more], wanted) for slot, held, more, wanted in plan]
    together = writer.step(rows)
    asked = sum(row.num_logits for row in rows)
    expect(len(together) == asked, f"a mixed step has {len(together)} rows of logits, and {asked} were asked for")
    begins = np.cumsum([0, *(row.num_logits for row in rows)])
    after = writer.decode(*(row.slot for row in rows))
    for index, (slot, held, more, wanted) in enumerate(plan):
        what = f"slot {slot}, {more} tokens on {held} in a mixed step, {wanted} logits wanted"
        expect_rows_equal(together[begins[index] : begins[index + 1]], alone[index], same, what)
        expect_rows_equal(after[index], continued[index], same, f"{what}, continued")
