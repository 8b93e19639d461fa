"""Checkpoints: where alone a slot can be cut whose model has a state that forgets what made it."""

from __future__ import annotations

from jan_ort_backends import BadInput, Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture, Writer
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (Capability.GENERATE, Capability.CHECKPOINTS)
MAX_KEPT = 6
CHUNK = 12


def _opened(fixture: Fixture) -> tuple[Writer, int]:
    """Return the writer of a session as it is, and how many checkpoints a slot of it has, as far as they are looked at.

    The writer's session is asked once whether it keeps any.
    """
    writer = fixture.open(as_it_is=True)
    return writer, min(writer.session.info.num_checkpoints or 0, MAX_KEPT)


def _expect_refused(writer: Writer, slot: int, length: int, when: str) -> None:
    held = writer.session.length(slot)
    expect_error(BadInput, lambda: writer.session.truncate(slot, length), f"truncate to {length} of {held} {when}")
    expect(writer.session.length(slot) == held, f"a refused cut left {writer.session.length(slot)} of {held} tokens")


@check("checkpoints.are_cut_to", *NEEDS)
def are_cut_to(fixture: Fixture) -> str | None:
    """A slot that was cut to a checkpoint continues as if nothing had followed, and can be cut there again."""
    writer, num_kept = _opened(fixture)
    if not num_kept:
        return "it keeps none: a slot is emptied or goes on"
    expected = writer.append(1, 20, 6)
    writer.keep(0, 20)
    for between in ((10,), (9, 1, 1)):
        writer.append(0, *between)
        writer.session.truncate(0, 20)
        expect(writer.session.length(0) == 20, f"after a cut to 20 the slot holds {writer.session.length(0)} tokens")
        again = writer.append(0, 6)
        expect_rows_equal(again, expected, fixture.tolerances.same_kind, f"a slot cut to 20 tokens after {between}")
        writer.session.truncate(0, 20)
    return None


@check("checkpoints.are_the_last", *NEEDS)
def are_the_last(fixture: Fixture) -> None:
    """Of more rows that are kept than the session has checkpoints, the last ones can be cut to, in any slot."""
    writer, num_kept = _opened(fixture)
    writer.keep(0, *[CHUNK] * (num_kept + 1))
    writer.append(0, CHUNK)
    lengths = [CHUNK * (index + 1) for index in range(num_kept + 1)]
    if num_kept < MAX_KEPT:
        _expect_refused(writer, 0, lengths[0], f"after {num_kept} more checkpoints, as many as are declared")
    for slot, length in enumerate(reversed(lengths[1:]), 1):
        writer.session.truncate(0, length)
        again, expected = writer.append(0, 5), writer.append(slot, length, 5)
        what = f"a slot cut to the checkpoint at {length}, number {slot} from the end"
        expect_rows_equal(again, expected, fixture.tolerances.same_kind, what)
        writer.session.truncate(0, length)


@check("checkpoints.refuse_other_lengths", *NEEDS)
def refuse_other_lengths(fixture: Fixture) -> None:
    """A cut elsewhere is refused, and changes nothing; 0 and the length that a slot has are taken always."""
    writer, _ = _opened(fixture)
    expected = writer.append(1, 30, 6)
    writer.append(0, 10, 10)
    writer.append(0, 10)
    for length in (10, 19, 29):
        _expect_refused(writer, 0, length, "where no row was kept")
    writer.session.truncate(0, 30)
    expect_rows_equal(writer.append(0, 6), expected, fixture.tolerances.same_kind, "a slot after refused cuts")
    writer.session.truncate(0, 0)
    again = writer.append(0, 30, 6)
    expect_rows_equal(again, expected, fixture.tolerances.same_kind, "a slot that was emptied and written anew")


@check("checkpoints.end_with_a_cut", *NEEDS)
def end_with_a_cut(fixture: Fixture) -> None:
    """A cut forgets the checkpoints beyond it, though the slot grows to that length again."""
    writer, _ = _opened(fixture)
    writer.keep(0, 10, 10)
    writer.session.truncate(0, 0)
    writer.text = writer.text[::-1].copy()
    writer.append(0, 25)
    for length in (10, 20):
        _expect_refused(writer, 0, length, "where a row was kept before the slot was emptied")


@check("checkpoints.of_each_slot", *NEEDS)
def of_each_slot(fixture: Fixture) -> str | None:
    """Slots that keep at the same length, of different texts, are each cut to their own."""
    writer, num_kept = _opened(fixture)
    if not num_kept:
        return "it keeps none"
    texts = [writer.turned(11 * slot) for slot in range(4)]
    for slot, text in enumerate(texts):
        writer.text = text
        writer.keep(slot, 15)
    for _ in range(2):
        writer.step([SlotTokens(slot, text[15:16]) for slot, text in enumerate(texts)])
        for slot in range(4):
            writer.session.truncate(slot, 15)
    for slot, text in enumerate(texts):
        writer.text = text
        again, expected = writer.append(slot, 6), writer.append(4 + slot, 15, 6)
        what = f"slot {slot} of 4 that keep at 15, after they decoded together"
        expect_rows_equal(again, expected, fixture.tolerances.same_kind, what)
    return None


@check("checkpoints.of_a_step_that_failed", *NEEDS)
def of_a_step_that_failed(fixture: Fixture) -> str | None:
    """A step that fails makes no checkpoint, and leaves those that there are."""
    writer, num_kept = _opened(fixture)
    if not num_kept:
        return "it keeps none"
    expected = writer.append(1, 20, 6)
    writer.keep(0, 20)
    writer.append(0, 5)
    wrong = writer.session.info.vocab_size
    row = SlotTokens(0, writer.next(0, 1), keep=True)
    rows = [row, SlotTokens(2, row.token_ids * 0 + wrong)]
    expect_error(BadInput, lambda: writer.session.step(rows), "a step with a token that is outside the vocabulary")
    expect(writer.session.length(0) == 25, f"a step that failed left {writer.session.length(0)} of 25 tokens")
    writer.append(0, 3)
    _expect_refused(writer, 0, 26, "where a step that failed was to keep a row")
    writer.session.truncate(0, 20)
    again = writer.append(0, 6)
    expect_rows_equal(again, expected, fixture.tolerances.same_kind, "a checkpoint, after a step that failed")
    return None


@check("checkpoints.are_forked", *NEEDS, Capability.FORK)
def are_forked(fixture: Fixture) -> str | None:
    """A fork at a checkpoint continues like its source cut there, has the checkpoint too, and is apart from it."""
    writer, num_kept = _opened(fixture)
    plain, same = writer.text, fixture.tolerances.same_kind
    expected = writer.append(1, 20, 6)
    writer.append(0, 25)
    what = "fork of 20 of 25 tokens, where no row was kept"
    expect_error(BadInput, lambda: writer.session.fork(0, 2, 20), what)
    if not num_kept:
        return "it keeps none"
    writer.session.truncate(0, 0)
    writer.keep(0, 20)
    writer.append(0, 5)
    writer.append(3, 50)
    writer.session.fork(0, 3, 20)
    expect_rows_equal(writer.append(3, 6), expected, same, "a fork at a checkpoint")
    writer.session.truncate(3, 20)
    writer.text = plain[::-1].copy()
    writer.append(3, 12)
    writer.text = plain
    writer.session.truncate(0, 20)
    expect_rows_equal(writer.append(0, 6), expected, same, "the source, cut to what its fork began with")
    writer.session.truncate(0, 0)
    writer.session.truncate(3, 20)
    expect_rows_equal(writer.append(3, 6), expected, same, "the fork's checkpoint, after its source was emptied")
    return None
