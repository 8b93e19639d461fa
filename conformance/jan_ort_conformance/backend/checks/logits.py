"""The logits of a step: their form, how many there are, and that they follow from the tokens alone."""

from __future__ import annotations

import numpy as np

from jan_ort_backends import Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_finite, expect_rows_differ, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import Fixture
from jan_ort_conformance.verdicts.verdict import expect

GENERATE = Capability.GENERATE


@check("logits.form", GENERATE)
def form(fixture: Fixture) -> None:
    """Logits are a float32 array of shape (sum of num_logits, vocab_size)."""
    width = fixture.session.info.vocab_size
    rows = [SlotTokens(slot, fixture.writer.text[:length], wanted) for slot, length, wanted in ((0, 7, 3), (2, 4, 1))]
    for batch, height in ((rows, 4), ([SlotTokens(0, fixture.writer.text[:1])], 1)):
        output = fixture.session.step(batch).logits
        expect(isinstance(output, np.ndarray), f"logits is a {type(output).__name__}")
        expect(output.dtype == np.float32, f"the dtype of the logits is {output.dtype}")
        expect(output.shape == (height, width), f"the shape of the logits is {output.shape}, not {(height, width)}")


@check("logits.finite", GENERATE)
def finite(fixture: Fixture) -> None:
    """No logit is infinite or NaN; masking tokens is the server's part."""
    logits = fixture.writer.append(0, 60, num_logits=60)
    logits = np.concatenate([logits, *(fixture.writer.decode(0) for _ in range(4))])
    for position, row in enumerate(logits):
        expect_finite(row, f"the row of position {position}")


@check("logits.none_when_none_are_wanted", GENERATE)
def none_when_none_are_wanted(fixture: Fixture) -> None:
    """``num_logits`` 0 gives no row, and the tokens are appended all the same."""
    writer = fixture.writer
    silent = writer.append(0, 10, num_logits=0)
    expect(silent.shape == (0, fixture.session.info.vocab_size), f"the shape of no logits is {silent.shape}")
    expect(fixture.session.length(0) == 10, f"the slot holds {fixture.session.length(0)} tokens, not 10")
    expect_rows_equal(
        writer.append(0, 5), writer.append(1, 10, 5), fixture.tolerances.same_kind, "after a silent chunk"
    )


@check("logits.trailing_positions", GENERATE)
def trailing_positions(fixture: Fixture) -> None:
    """``num_logits`` 1 and n give the last rows of those of every position."""
    writer = fixture.writer
    every = writer.append(0, 12, num_logits=12)
    for slot, wanted in ((1, 1), (2, 2), (3, 5)):
        some = writer.append(slot, 12, num_logits=wanted)
        expect_rows_equal(some, every[12 - wanted :], fixture.tolerances.same_kind, f"num_logits {wanted} against 12")


@check("logits.rows_in_batch_order", GENERATE)
def rows_in_batch_order(fixture: Fixture) -> None:
    """The rows of logits come in the order of the batch, each row's positions together, whatever the slots' order."""
    writer, text = fixture.writer, fixture.writer.text
    wanted = ((4, 9, 2), (0, 5, 1), (2, 7, 0), (1, 6, 3), (3, 8, 1))
    together = writer.step([SlotTokens(slot, text[:length], count) for slot, length, count in wanted])
    for slot, _, _ in wanted:
        fixture.session.truncate(slot, 0)
    alone = np.concatenate([writer.append(slot, length, num_logits=count) for slot, length, count in wanted])
    expect_rows_equal(together, alone, fixture.tolerances.same_kind, "several rows in one step against each alone")
    expected = np.concatenate([writer.decode(slot) for slot in (3, 1, 4)])
    for slot in (3, 1, 4):
        fixture.session.truncate(slot, fixture.session.length(slot) - 1)
    decoding = ((3, 1), (0, 0), (1, 1), (2, 0), (4, 1))
    decoded = writer.step([SlotTokens(slot, writer.next(slot, 1), count) for slot, count in decoding])
    expect_rows_equal(decoded, expected, fixture.tolerances.same_kind, "decoding beside rows that want no logits")


@check("logits.follow_from_the_tokens", GENERATE)
def follow_from_the_tokens(fixture: Fixture) -> None:
    """The same tokens give the same logits again, in any slot; other tokens give others."""
    writer = fixture.writer
    first = writer.append(0, 20)
    expect_rows_equal(writer.append(1, 20), first, fixture.tolerances.same_kind, "one prompt in two slots")
    fixture.session.truncate(0, 0)
    expect_rows_equal(writer.append(0, 20), first, fixture.tolerances.same_kind, "one prompt twice")
    other = (writer.text[:20] + 1) % fixture.session.info.vocab_size
    expect_rows_differ(writer.step([SlotTokens(2, other)]), first, "the logits of two different prompts")


@check("logits.accept_any_array", GENERATE)
def accept_any_array(fixture: Fixture) -> None:
    """Token ids may come in a read-only or strided array, and are left as they were."""
    writer = fixture.writer
    expected = writer.append(0, 16)
    frozen = writer.text[:16].copy()
    frozen.flags.writeable = False
    strided = np.repeat(writer.text[:16], 2)[::2]
    plain = writer.text[:16].copy()
    for slot, ids, kind in ((1, frozen, "read-only"), (2, strided, "strided"), (3, plain, "plain")):
        logits = writer.step([SlotTokens(slot, ids)])
        expect_rows_equal(logits, expected, fixture.tolerances.same_kind, f"a {kind} array of token ids")
        expect(np.array_equal(ids, writer.text[:16]), f"the step changed the {kind} array of token ids")
