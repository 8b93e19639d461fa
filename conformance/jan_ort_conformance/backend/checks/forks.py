"""Forks: a copy of a slot's beginning that continues like its source and apart from it."""

from __future__ import annotations

from jan_ort_backends import Capability
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.verdict import expect

NEEDS = (Capability.GENERATE, Capability.FORK)


@check("forks.continue_like_the_source", *NEEDS)
def continue_like_the_source(fixture: Fixture) -> None:
    """A fork of the first tokens, over a longer slot of others, continues like its source cut to that length."""
    writer, session = fixture.writer, fixture.session
    plain = writer.text
    writer.append(0, 30)
    writer.text = plain[::-1].copy()
    writer.append(3, 50)
    writer.text = plain
    session.fork(0, 3, 20)
    expect(writer.lengths()[:4] == [30, 0, 0, 20], f"after fork(0, 3, 20) the lengths are {writer.lengths()}")
    forked = writer.append(3, 10)
    expect_rows_equal(forked, writer.append(1, 20, 10), fixture.tolerances.same_kind, "a fork of 20 tokens")


@check("forks.are_apart_from_the_source", *NEEDS)
def are_apart_from_the_source(fixture: Fixture) -> None:
    """What is then written to the one is not seen by the other."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    plain, turned = writer.text, writer.text[::-1].copy()
    expected = writer.append(1, 20, 8, 6)
    writer.append(3, 20)
    writer.append(0, 20, 8)
    session.fork(0, 2, 20)
    writer.text = turned
    writer.append(2, 8)
    writer.append(3, 8)
    writer.text = plain
    expect_rows_equal(writer.append(0, 6), expected, same, "the source, after its fork wrote other tokens")
    writer.text = turned
    expect_rows_equal(writer.append(2, 6), writer.append(3, 6), same, "the fork, after its source wrote on")


@check("forks.outlive_their_source", *NEEDS)
def outlive_their_source(fixture: Fixture) -> None:
    """Forks, and forks of them, continue as before after their source was cut, emptied and written anew."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    plain, turned = writer.text, writer.text[::-1].copy()
    after_40, after_12 = writer.append(1, 40, 6), writer.append(2, 12, 6)
    writer.append(0, 45)
    for target, length in ((3, 40), (4, 12), (5, 40)):
        session.fork(0, target, length)
    session.fork(5, 6, 40)
    session.fork(5, 7, 12)
    for slot, kept in ((0, 20), (5, 0)):
        session.truncate(slot, kept)
        writer.text = turned
        writer.append(slot, 30)
        writer.text = plain
    session.truncate(0, 0)
    writer.text = turned
    writer.append(0, 50)
    writer.text = plain
    for target, expected in ((3, after_40), (4, after_12), (6, after_40), (7, after_12)):
        what = f"a fork in slot {target}, after its source was emptied and wrote other tokens"
        expect_rows_equal(writer.append(target, 6), expected, same, what)


@check("forks.leave_their_source", *NEEDS)
def leave_their_source(fixture: Fixture) -> None:
    """A source continues as before after its fork was cut, emptied and written anew."""
    writer, session, same = fixture.writer, fixture.session, fixture.tolerances.same_kind
    plain, turned = writer.text, writer.text[::-1].copy()
    expected = writer.append(1, 30, 6)
    writer.append(0, 30)
    for kept, length in ((30, 10), (12, 25), (0, 40)):
        session.fork(0, 2, 30)
        session.truncate(2, kept)
        writer.text = turned
        writer.append(2, length)
        writer.text = plain
        what = f"the source, after its fork was cut to {kept} tokens and wrote others"
        expect_rows_equal(writer.append(0, 6), expected, same, what)
        session.truncate(0, 30)


@check("forks.decode_with_their_source", *NEEDS)
def decode_with_their_source(fixture: Fixture) -> None:
    """A source and its forks decode in one step like the source alone, as the choices of one prompt do."""
    writer, session = fixture.writer, fixture.session
    writer.append(4, 25)
    for target in (0, 2, 5):
        session.fork(4, target, 25)
    for _ in range(4):
        together = writer.decode(0, 4, 2, 5)
        for index in (1, 2, 3):
            expect_rows_equal(together[index], together[0], fixture.tolerances.same_kind, "forks decoding together")
    last = writer.append(1, 25, *[1] * 4)
    expect_rows_equal(together[0], last, fixture.tolerances.same_kind, "forks decoding together against one alone")


@check("forks.of_nothing_and_onto_itself", *NEEDS)
def of_nothing_and_onto_itself(fixture: Fixture) -> None:
    """A fork of 0 tokens empties its target, and one onto the slot itself cuts it."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, 15)
    writer.append(1, 9)
    session.fork(0, 1, 0)
    session.fork(0, 0, 10)
    expect(writer.lengths()[:2] == [10, 0], f"the lengths are {writer.lengths()[:2]}, not [10, 0]")
    continued = writer.append(0, 6)
    expect_rows_equal(continued, writer.append(1, 10, 6), fixture.tolerances.same_kind, "a slot forked onto itself")
