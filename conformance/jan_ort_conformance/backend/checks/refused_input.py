"""Wrong input: a typed error, every slot as it was, and a session that goes on."""

from __future__ import annotations

import numpy as np

from jan_ort_backends import BadInput, Capability, ContextOverflow, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_error, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture, Writer
from jan_ort_conformance.verdicts.verdict import Level, expect

GENERATE = Capability.GENERATE


def _wrong(writer: Writer) -> list[tuple[str, str, list[SlotTokens]]]:
    """Return wrong batches, each with what it is and the parameter that is wrong."""
    two, vocab_size = writer.text[:2], writer.session.info.vocab_size
    return [
        ("an empty batch", "batch", []),
        ("an empty row", "token_ids", [SlotTokens(0, two[:0], 0)]),
        ("a negative token id", "token_ids", [SlotTokens(0, np.array([-1]))]),
        ("a token id of vocab_size", "token_ids", [SlotTokens(0, np.array([vocab_size]))]),
        (
            "a wrong token id in the second row",
            "token_ids",
            [SlotTokens(2, two), SlotTokens(3, np.array([1, vocab_size]))],
        ),
        ("slot num_slots", "slot", [SlotTokens(writer.session.info.num_slots, two)]),
        ("slot -1", "slot", [SlotTokens(-1, two)]),
        ("a slot named twice", "slot", [SlotTokens(2, two), SlotTokens(2, two)]),
        ("more logits than tokens", "num_logits", [SlotTokens(2, two, 3)]),
        ("a negative number of logits", "num_logits", [SlotTokens(2, two, -1)]),
    ]


@check("refused_input.typed", GENERATE)
def typed(fixture: Fixture) -> None:
    """A wrong batch raises BadInput; the slots keep their lengths, and the session goes on as if it had not been."""
    writer = fixture.writer
    writer.append(0, 5)
    expected = writer.append(1, 5, 4)
    before = writer.lengths()
    for what, _, batch in _wrong(writer):
        expect_error(BadInput, lambda batch=batch: fixture.session.step(batch), f"a step of {what}")  # type: ignore[misc]
        expect(writer.lengths() == before, f"after {what} the lengths are {writer.lengths()}, and were {before}")
    expect_rows_equal(writer.append(0, 4), expected, fixture.tolerances.same_kind, "a slot after refused steps")


@check("refused_input.named", GENERATE, level=Level.STRICT)
def named(fixture: Fixture) -> None:
    """The ``param`` of that BadInput is what was wrong."""
    for what, param, batch in _wrong(fixture.writer):
        error = expect_error(BadInput, lambda batch=batch: fixture.session.step(batch), f"a step of {what}")  # type: ignore[misc]
        expect(error.param == param, f"for {what} the error names {error.param!r}, not {param!r}")


@check("refused_input.overflow", GENERATE)
def overflow(fixture: Fixture) -> None:
    """A slot takes its context length to the last token; one more raises ContextOverflow with the numbers."""
    writer, session = fixture.writer, fixture.session
    size = session.info.context_length
    writer.append(0, size - 1)
    writer.append(1, 20)
    writer.decode(0, 1)
    one = writer.text[:1]
    error = expect_error(
        ContextOverflow, lambda: session.step([SlotTokens(1, one), SlotTokens(0, one)]), "one token too many"
    )
    expect(writer.lengths()[:2] == [size, 21], f"after it the lengths are {writer.lengths()[:2]}")
    numbers = (error.slot, error.length, error.num_tokens, error.context_length)
    expect(numbers == (0, size, 1, size), f"slot, length, num_tokens and context_length are {numbers}")
    expect_error(ContextOverflow, lambda: session.step([SlotTokens(2, np.repeat(one, size + 1))]), "too long a prompt")
    session.truncate(0, size - 1)
    expected = writer.append(3, size - 1, 1)
    expect_rows_equal(writer.decode(0), expected, fixture.tolerances.same_kind, "the last position, after an overflow")


@check("refused_input.lengths", GENERATE)
def lengths(fixture: Fixture) -> None:
    """``truncate`` refuses a length that the slot does not hold, and ``length`` a slot that is not there."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, 5)
    for call, what in (
        (lambda: session.truncate(0, 6), "truncate to 6 of 5 tokens"),
        (lambda: session.truncate(0, -1), "truncate to -1"),
        (lambda: session.truncate(session.info.num_slots, 0), "truncate of slot num_slots"),
        (lambda: session.length(session.info.num_slots), "length of slot num_slots"),
        (lambda: session.length(-1), "length of slot -1"),
    ):
        expect_error(BadInput, call, what)
    expect(writer.lengths()[:3] == [5, 0, 0], f"after refusals the lengths are {writer.lengths()}")


@check("refused_input.forks", GENERATE, Capability.FORK)
def forks(fixture: Fixture) -> None:
    """``fork`` refuses a length that the source does not hold, and slots that are not there."""
    writer, session = fixture.writer, fixture.session
    writer.append(0, 5)
    writer.append(1, 3)
    end = session.info.num_slots
    for source, target, length in ((0, 1, 6), (0, 1, -1), (0, end, 2), (-1, 1, 0), (end, 1, 0), (2, 1, 1)):
        what = f"fork({source}, {target}, {length}) of 5 tokens in slot 0"
        expect_error(BadInput, lambda args=(source, target, length): session.fork(*args), what)  # type: ignore[misc]
    expect(writer.lengths()[:3] == [5, 3, 0], f"after refusals the lengths are {writer.lengths()}")
