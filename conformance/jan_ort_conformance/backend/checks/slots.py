"""Slots: they start empty, are apart from each other, and forget what is cut off."""

from __future__ import annotations

from jan_ort_backends import Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import (
    expect_rows_alike,
    expect_rows_differ,
    expect_rows_equal,
)
from jan_ort_conformance.backend.check_tools.fixture import NUM_SLOTS, Fixture
from jan_ort_conformance.verdicts.verdict import expect

GENERATE = Capability.GENERATE


@check("slots.start_empty", GENERATE)
def start_empty(fixture: Fixture) -> None:
    """Every slot of a new session holds no token."""
    expect(not any(fixture.writer.lengths()), f"the lengths of a new session are {fixture.writer.lengths()}")


@check("slots.truncate_forgets", GENERATE)
def truncate_forgets(fixture: Fixture) -> None:
    """A slot that was cut continues as if nothing had followed, also with other tokens than before."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, 30)
    session.truncate(0, 12)
    expect(session.length(0) == 12, f"after truncate(0, 12) the slot holds {session.length(0)} tokens")
    again = writer.append(0, 8)
    expect_rows_equal(again, writer.append(1, 12, 8), fixture.tolerances.same_kind, "a slot cut from 30 to 12 tokens")
    session.truncate(0, 0)
    other = fixture.open(num_slots=1)
    other.text = writer.text = writer.text[::-1].copy()
    expect_rows_equal(writer.append(0, 9), other.append(0, 9), fixture.tolerances.same_kind, "a slot that was emptied")


@check("slots.truncate_to_what_is_held", GENERATE)
def truncate_to_what_is_held(fixture: Fixture) -> None:
    """Cutting a slot to the length that it has changes nothing."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, 10)
    writer.append(1, 10)
    session.truncate(0, 10)
    session.truncate(2, 0)
    expect(writer.lengths()[:3] == [10, 10, 0], f"the lengths are {writer.lengths()}")
    expect_rows_equal(writer.decode(0), writer.decode(1), fixture.tolerances.same_kind, "a slot cut to its own length")


@check("slots.truncate_cuts_one_slot", GENERATE)
def truncate_cuts_one_slot(fixture: Fixture) -> None:
    """Cutting one slot leaves the others as they were."""
    writer, session = fixture.writer, fixture.session
    for slot in (0, 1, 2):
        writer.append(slot, 20)
    session.truncate(1, 5)
    expect(writer.lengths()[:3] == [20, 5, 20], f"the lengths are {writer.lengths()}")
    kept = writer.append(2, 6)
    expect_rows_equal(kept, writer.append(3, 20, 6), fixture.tolerances.same_kind, "the neighbour of a cut slot")


@check("slots.are_isolated", GENERATE)
def are_isolated(fixture: Fixture) -> None:
    """Different texts in neighbouring slots, written in turns, do not touch each other."""
    one, other = fixture.writer, fixture.open()
    pair = fixture.open(num_slots=2)
    turned = one.text[::-1].copy()
    for chunk in (5, 7, 4):
        for slot, text in ((0, one.text), (1, turned)):
            pair.text = text
            last = pair.append(slot, chunk)
    other.text = turned
    same = fixture.tolerances.same_kind
    expect_rows_equal(last, other.append(1, 5, 7, 4), same, "a slot written in turns with its neighbour")
    pair.text = one.text
    one.append(0, 16)
    expect_rows_equal(pair.append(0, 3), one.append(0, 3), same, "the neighbour's continuation")


@check("slots.are_all_apart", GENERATE)
def are_all_apart(fixture: Fixture) -> None:
    """As many slots as the server asks for, full of different texts, continue as each does in a session of its own."""
    writer, single = fixture.writer, fixture.open(num_slots=1)
    texts = [writer.turned(11 * slot) for slot in range(NUM_SLOTS)]
    for chunk in (6, 5):
        for slot, text in enumerate(texts):
            writer.text = text
            writer.append(slot, chunk)
    together = writer.step([SlotTokens(slot, text[11:12]) for slot, text in enumerate(texts)])
    for slot, text in enumerate(texts):
        single.text = text
        single.session.truncate(0, 0)
        single.append(0, 6, 5)
        what = f"slot {slot} of {NUM_SLOTS}, each with a text of its own"
        expect_rows_equal(together[slot], single.decode(0)[0], fixture.tolerances.same_kind, what)


@check("slots.truncate_by_any_length", GENERATE)
def truncate_by_any_length(fixture: Fixture) -> None:
    """A slot that was cut by few tokens or many, within a page of memory or at its end, continues as if uncut."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    for slot, length in enumerate((112, 64, 17, 2), 1):
        writer.append(0, 120 - session.length(0))
        session.truncate(0, length)
        what = f"a slot cut from 120 to {length} tokens"
        expect_rows_equal(writer.append(0, 6), writer.append(slot, length, 6), same, what)
        expect_rows_equal(writer.decode(0), writer.decode(slot), same, f"{what}, decoding")


@check("slots.attend_to_what_they_hold", GENERATE)
def attend_to_what_they_hold(fixture: Fixture) -> str | None:
    """The same last token after another text gives other logits, unless the model looks at the last token only."""
    writer = fixture.writer
    first = writer.append(0, 20)
    again = writer.append(1, 20)
    expect_rows_equal(again, first, fixture.tolerances.same_kind, "one prompt in two slots")
    prompt = writer.text[:20].copy()
    prompt[:19] = (prompt[:19] + 1) % fixture.session.info.vocab_size
    writer.text[:20] = prompt
    at_once = writer.append(2, 20)
    by_one = writer.append(3, 19, 1)
    expect_rows_alike(by_one, at_once, fixture.tolerances.other_kind, "19 tokens and 1 more against 20 at once")
    if (at_once == first).all():
        return "the logits follow from the last token alone"
    expect_rows_differ(by_one, first, "the last token after two texts")
    return None
