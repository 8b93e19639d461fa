"""Saved slots: loaded again, into whichever slot, they go on as if they had never been left."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jan_ort_backends import BadInput, Capability, State
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture, Writer
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (Capability.GENERATE, Capability.STATE)
WRITTEN = (30, 7, 1, 1)
"""A prompt in two chunks and two tokens after it."""


def _write_another(writer: Writer, slot: int, length: int) -> None:
    """Empty a slot and write another text there."""
    text = writer.text
    writer.session.truncate(slot, 0)
    writer.text = writer.turned(17)
    writer.append(slot, length)
    writer.text = text


def _damaged(state: State) -> Iterator[tuple[str, State]]:
    """Yield what can become of bytes on their way, each with what it is."""
    yield "no bytes", state[:0].copy()
    yield "its first half", state[: len(state) // 2].copy()
    yield "all but the last byte", state[:-1].copy()
    yield "a byte more", np.append(state, np.uint8(0))
    yield "other bytes", np.random.default_rng(3).integers(0, 256, len(state)).astype(np.uint8)
    for at in (0, len(state) // 3, len(state) // 2, 2 * len(state) // 3, len(state) - 1):
        other = state.copy()
        other[at] ^= 0x40
        yield f"byte {at} of {len(state)} changed", other


@check("states.go_on", *NEEDS)
def go_on(fixture: Fixture) -> None:
    """A slot that was saved, written over and loaded goes on as one that was never left; so does any other slot."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    expected = [writer.append(1, *WRITTEN, 1), writer.append(1, 5)]
    writer.append(0, *WRITTEN)
    state = session.save(0)
    _write_another(writer, 0, 50)
    for slot in (0, 5):
        session.load(slot, state)
        expect(session.length(slot) == sum(WRITTEN), f"a loaded slot holds {session.length(slot)} tokens")
        again = [writer.append(slot, 1), writer.append(slot, 5)]
        for at, what in enumerate(("a token", "a chunk")):
            expect_rows_equal(again[at], expected[at], same, f"{what} after slot 0 was loaded into slot {slot}")


@check("states.leave_the_slot", *NEEDS)
def leave_the_slot(fixture: Fixture) -> None:
    """A slot that is saved goes on as it would have, and so do its neighbours where another one is loaded."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    expected = writer.append(7, *WRITTEN, 6)
    for slot in (0, 1, 2):
        writer.append(slot, *WRITTEN)
    state = session.save(1)
    _write_another(writer, 1, 12)
    session.load(1, state)
    for slot in (0, 1, 2):
        expect_rows_equal(writer.append(slot, 6), expected, same, f"slot {slot}, after slot 1 was saved and loaded")


@check("states.are_the_callers_own", *NEEDS)
def are_the_callers_own(fixture: Fixture) -> None:
    """What was saved stays as it was whatever the session does, and a loaded slot whatever becomes of the bytes."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    expected = writer.append(1, *WRITTEN, 6)
    writer.append(0, *WRITTEN)
    state = session.save(0)
    before = state.copy()
    _write_another(writer, 0, 60)
    session.save(0)
    expect(np.array_equal(state, before), "what was saved is another after its slot was written over and saved again")
    session.load(2, state)
    state[:] = 0
    expect_rows_equal(writer.append(2, 6), expected, same, "a loaded slot, after its bytes were written over")


@check("states.are_loaded_over_any_slot", *NEEDS)
def are_loaded_over_any_slot(fixture: Fixture) -> None:
    """An empty slot, a shorter one and a longer one hold the same once it is loaded; a saved empty one empties it."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    expected = writer.append(1, *WRITTEN, 6)
    empty = session.save(0)
    writer.append(0, *WRITTEN)
    state = session.save(0)
    for slot, held in ((2, 0), (3, 5), (4, 90)):
        if held:
            _write_another(writer, slot, held)
        session.load(slot, state)
        expect_rows_equal(writer.append(slot, 6), expected, same, f"a slot loaded over {held} tokens")
        session.load(slot, empty)
        expect(session.length(slot) == 0, f"a slot loaded with an empty one holds {session.length(slot)} tokens")


@check("states.are_cut", *NEEDS)
def are_cut(fixture: Fixture) -> None:
    """A loaded slot is cut as any other: to some of its tokens, where it has no checkpoints, and to none."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    expected = writer.append(1, 20, 6)
    writer.append(0, *WRITTEN)
    session.load(2, session.save(0))
    session.truncate(2, 20)
    expect_rows_equal(writer.append(2, 6), expected, same, "a loaded slot that was cut to 20 tokens")
    session.truncate(2, 0)
    expect_rows_equal(writer.append(2, 20, 6), expected, same, "a loaded slot that was emptied and written anew")


@check("states.decode_in_company", *NEEDS)
def decode_in_company(fixture: Fixture) -> None:
    """Loaded slots decode in one step with each other and with one that was never left, as that one does."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    writer.append(2, *WRITTEN)
    state = session.save(2)
    for slot in (6, 0):
        session.load(slot, state)
    for _ in range(4):
        together = writer.decode(6, 2, 0)
        for at in (0, 2):
            expect_rows_equal(together[at], together[1], same, "a loaded slot beside the one that was saved")


@check("states.refuse_damaged_bytes", *NEEDS)
def refuse_damaged_bytes(fixture: Fixture) -> None:
    """Bytes that are damaged anywhere raise BadInput; every slot is as it was, whatever it holds, and goes on."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    held, others = writer.text, writer.turned(23)
    writer.append(0, *WRITTEN)
    state = session.save(0)
    writer.text = others
    expected = writer.append(1, *WRITTEN, 6)
    writer.append(2, *WRITTEN)
    before = writer.lengths()
    for what, damaged in _damaged(state):
        expect_error(BadInput, lambda damaged=damaged: session.load(2, damaged), f"load of {what}")  # type: ignore[misc]
        expect(writer.lengths() == before, f"after a load of {what} the lengths are {writer.lengths()}, not {before}")
    expect_rows_equal(writer.append(2, 6), expected, same, "slot 2, after loads of another slot's damaged bytes")
    writer.text = held
    after = writer.append(0, 6)
    session.truncate(1, 0)
    expect_rows_equal(after, writer.append(1, *WRITTEN, 6), same, "slot 0, whose bytes were damaged")


@check("states.refuse_other_slots", *NEEDS)
def refuse_other_slots(fixture: Fixture) -> None:
    """A slot that there is not raises BadInput, saved or loaded."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, *WRITTEN)
    state, before = session.save(0), writer.lengths()
    for slot in (-1, session.info.num_slots):
        expect_error(BadInput, lambda slot=slot: session.save(slot), f"save of slot {slot}")  # type: ignore[misc]
        expect_error(BadInput, lambda slot=slot: session.load(slot, state), f"load of slot {slot}")  # type: ignore[misc]
    expect(writer.lengths() == before, f"the lengths are {writer.lengths()}, and were {before}")


@check("states.outlive_their_session", *NEEDS)
def outlive_their_session(fixture: Fixture) -> None:
    """Another session of the model has the same key and loads them; one whose slots are too short refuses them."""
    writer, session = fixture.writer, fixture.session
    expected = writer.append(1, *WRITTEN, 1)
    writer.append(0, *WRITTEN)
    state = session.save(0)
    other = fixture.open(num_slots=2, as_it_is=True)
    mine, theirs = session.info.state_key, other.session.info.state_key
    expect(mine == theirs, f"two sessions of one model have the keys {mine!r} and {theirs!r}")
    other.session.load(1, state)
    again = other.append(1, 1)
    expect_rows_equal(again, expected, fixture.tolerances.same_kind, "a slot loaded in another session")
    short = fixture.open(num_slots=1, context_length=sum(WRITTEN) - 1, as_it_is=True).session
    expect_error(BadInput, lambda: short.load(0, state), "load of more tokens than a slot has")
    expect(short.length(0) == 0, f"a slot that refused a state holds {short.length(0)} tokens")
