"""A prompt as long as the context, or as 2,048 tokens: at once or in chunks it comes to the same, and to numbers."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Capability, Session, SlotTokens
from jan_ort_conformance.backend.check_tools.backend_check import check
from jan_ort_conformance.backend.check_tools.expectations import expect_finite, expect_rows_equal
from jan_ort_conformance.backend.check_tools.fixture import CONTEXT_LENGTH, SEED, Fixture
from jan_ort_conformance.verdicts.verdict import Level

MAX_TOKENS = 2048
MAX_S = 30.0
"""What the check may take, by the speed of its first chunk; a slower model gets a shorter prompt."""
CHUNK = 128
NUM_LOGITS = 8
"""Of each chunk: enough to see NaN spread, and few enough for a vocabulary of 150,000."""
NUM_DECODED = 4


@check("prefill.holds_far_from_the_start", Capability.GENERATE, level=Level.FULL)
def holds_far_from_the_start(fixture: Fixture) -> str:
    """A prompt that fills the context (or 2,048 tokens) has finite logits, in chunks those of the whole prompt."""
    own = fixture.open(num_slots=1, context_length=None).session.info.context_length
    session = fixture.open(num_slots=2, context_length=min(own, MAX_TOKENS)).session
    size = session.info.context_length
    text = np.random.default_rng(SEED).integers(0, session.info.vocab_size, size)
    length = min(size, _affordable_tokens(session, text)) - NUM_DECODED
    length -= length % CHUNK == 1  # a last chunk of one token would be a step of another kind
    whole = np.array(session.step([SlotTokens(0, text[:length], NUM_LOGITS)]).logits)
    for begin in range(0, length, CHUNK):
        ids = text[begin : min(begin + CHUNK, length)]
        logits = np.array(session.step([SlotTokens(1, ids, min(NUM_LOGITS, len(ids)))]).logits)
        _expect_finite(logits, begin + len(ids))
    _expect_finite(whole, length)
    same = fixture.tolerances.same_kind
    expect_rows_equal(logits, whole[-len(logits) :], same, f"{length} tokens in chunks of {CHUNK} against at once")
    for position in range(length, length + NUM_DECODED):
        rows = [SlotTokens(slot, text[position : position + 1]) for slot in (0, 1)]
        pair = np.array(session.step(rows).logits)
        _expect_finite(pair[:1], position + 1)
        expect_rows_equal(pair[1], pair[0], same, f"decoding at position {position} after chunks")
    total = length + NUM_DECODED
    return f"{total} tokens" if total == size else f"{total} of {size} tokens, as more would take over {MAX_S:g} s"


def _affordable_tokens(session: Session, text: NDArray[np.int64]) -> int:
    """Return how many tokens two prefills may have, from the seconds of the second of two short ones; 128 at least."""
    for _ in range(2):  # the first may compile or allocate
        started = time.perf_counter()
        session.step([SlotTokens(0, text[:CHUNK], NUM_LOGITS)])
        duration_s = time.perf_counter() - started
        session.truncate(0, 0)
    return max(CONTEXT_LENGTH, int(CHUNK * MAX_S / (2 * duration_s)))


def _expect_finite(logits: NDArray[np.float32], end: int) -> None:
    """Expect the logits of the last positions before ``end`` to be finite."""
    for position, row in enumerate(logits, end - len(logits)):
        expect_finite(row, f"the row of position {position}")
