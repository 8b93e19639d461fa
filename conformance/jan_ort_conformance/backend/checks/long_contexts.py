"""Contexts beyond 256 tokens: borders, cuts and forks far from the start, many decodes, and what is remembered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_rows_alike, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import SEED, Fixture, Writer
from jan_ort_conformance.verdicts.verdict import Level, NotThere, expect

GENERATE = Capability.GENERATE
LENGTH = 272
"""Tokens of the text: beyond 256, and a whole number of blocks of 16."""
BORDERS = (31, 32, 33, 63, 64, 255, 256, 257)
CHANGED = 8
"""Tokens that are changed at once, so that a rounding does not swallow what they say."""
NUM_DECODED = 120
FORKED = (65, 130, 258)
"""One token, or two, beyond what is copied or shared in blocks of 64, 128 or 256."""
NUM_NEXT = 8


def _long(fixture: Fixture) -> Writer:
    """Return the writer of a session for a text of LENGTH tokens, or of as many as the model holds."""
    own = fixture.open(num_slots=1, context_length=None).session.info.context_length
    writer = fixture.open(num_slots=3, context_length=min(own, LENGTH + 16))
    size = min(own, LENGTH)
    writer.text = np.random.default_rng(SEED).integers(0, writer.session.info.vocab_size, size)
    return writer


@check("prefill.holds_at_borders", GENERATE, level=Level.FULL)
def holds_at_borders(fixture: Fixture) -> None:
    """A prompt that is cut at the border of a block, or beside it, and written on has the logits of the whole."""
    writer, same = _long(fixture), fixture.tolerances.same_kind
    size = len(writer.text)
    for end in (48, 80, size):
        writer.session.truncate(0, 0)
        whole = writer.append(0, end, num_logits=8)
        for border in (each for each in BORDERS if end - 24 <= each < end - 8):
            writer.session.truncate(0, border)
            again = writer.append(0, end - border, num_logits=8)
            expect_rows_equal(again, whole, same, f"{end} tokens, cut to {border} and written on")
            writer.session.truncate(1, 0)
            chunked = writer.append(1, border, end - border, num_logits=8)
            expect_rows_equal(chunked, whole, same, f"{end} tokens in chunks of {border} and {end - border}")


@check("forks.may_be_long", GENERATE, Capability.FORK, level=Level.FULL)
def forks_may_be_long(fixture: Fixture) -> None:
    """A fork of more than 200 tokens continues like its source, and leaves it as it was."""
    writer, same = _long(fixture), fixture.tolerances.same_kind
    size = len(writer.text)
    whole = writer.append(0, size, num_logits=8)
    for length in (size - 9, size - 16, size - 17, 3 * size // 4):
        writer.session.fork(0, 1, length)
        forked = writer.append(1, size - length, num_logits=8)
        expect_rows_equal(forked, whole, same, f"a fork of {length} of {size} tokens")
    writer.session.truncate(0, size - 16)
    expect_rows_equal(
        writer.append(0, 16, num_logits=8), whole, same, f"the source of forks of up to {size - 9} tokens"
    )


@check("forks.may_be_long_and_apart", GENERATE, Capability.FORK, level=Level.FULL)
def forks_may_be_long_and_apart(fixture: Fixture) -> None:
    """A long fork and its source, which write different tokens in turn, each continue as if alone."""
    writer, same = _long(fixture), fixture.tolerances.same_kind
    session, plain = writer.session, writer.text
    other = (plain + 1) % session.info.vocab_size
    lengths = [length for length in FORKED if length + NUM_NEXT <= len(plain)]
    if not lengths:
        raise NotThere(f"the model holds {len(plain)} tokens, too few for a fork of {FORKED[0]}")

    def next_of(slot: int, text: NDArray[np.int64], begin: int) -> NDArray[np.float32]:
        part = text[begin : begin + NUM_NEXT // 2]
        return writer.step([SlotTokens(slot, part, len(part))])

    for length in lengths:
        alone = {}
        writer.append(0, length - session.length(0))
        for name, text in (("the source", plain), ("the fork", other)):
            alone[name] = [next_of(0, text, begin) for begin in (length, length + NUM_NEXT // 2)]
            session.truncate(0, length)
        session.fork(0, 1, length)
        for turn, begin in enumerate((length, length + NUM_NEXT // 2)):
            for slot, (name, text) in enumerate((("the source", plain), ("the fork", other))):
                what = f"{name}, after a fork of {length} tokens and other tokens in the other slot"
                expect_rows_equal(next_of(slot, text, begin), alone[name][turn], same, what)
        session.truncate(0, length)


@check("logits.follow_from_far_tokens", GENERATE, level=Level.FULL)
def follow_from_far_tokens(fixture: Fixture) -> str | None:
    """Other tokens at the beginning, or in the middle, of 272 give the last of them other logits."""
    writer = _long(fixture)
    size, text = len(writer.text), writer.text

    def last_of(begin: int | None) -> NDArray[np.float32]:
        writer.text = text.copy()
        if begin is not None:
            part = slice(begin, begin + CHANGED)
            writer.text[part] = (text[part] + 1) % writer.session.info.vocab_size
        writer.session.truncate(0, 0)
        return writer.append(0, size, num_logits=4)

    plain = last_of(None)
    if np.array_equal(last_of(size - CHANGED - 4), plain):
        return "the logits follow from the last tokens alone"
    for begin in (0, size // 4, size // 2, 3 * size // 4):
        differs = not np.array_equal(last_of(begin), plain)
        expect(differs, f"tokens {begin} to {begin + CHANGED - 1} of {size} change nothing at the end")
    return None


@check("logits.do_not_drift", GENERATE, level=Level.FULL)
def do_not_drift(fixture: Fixture) -> str:
    """After 120 decoded tokens the logits are those of the text at once, and the first of them are as they were."""
    writer, same = fixture.writer, fixture.tolerances.same_kind
    writer.append(1, 4)
    first = [writer.append(1, 1) for _ in range(4)]
    decoded = np.concatenate([*first, *(writer.append(1, 1) for _ in range(NUM_DECODED - 8))])
    fixture.session.truncate(1, 4)
    for index, row in enumerate(first):
        what = f"token {4 + index}, decoded again after {NUM_DECODED - 4} others"
        expect_rows_equal(writer.append(1, 1), row, same, what)
    at_once = writer.append(0, NUM_DECODED, num_logits=16)
    what = f"the last 16 of {NUM_DECODED} tokens one by one against at once"
    return expect_rows_alike(decoded[-16:], at_once, fixture.tolerances.other_kind, what)
