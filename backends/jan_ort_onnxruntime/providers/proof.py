"""The proof that a session works: some tokens, run at the start instead of by the first request."""

from __future__ import annotations

import logging
import time
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BackendError, Session, SlotTokens

logger = logging.getLogger(__name__)

MAX_DIFFERENCE = 0.3
"""Of the logits with a past to those without, relative. SmolLM2 int8, ordinary tokens: OpenVINO differs by up to 0.05,
attention that loses its past by 0.8 at least."""

_CHUNKS = (1, 2, 1)  # a beginning, several tokens after a past, and one token after a past
_TOGETHER = ((2, 3), (1, 1))  # tokens of two sequences of several lengths: beginnings, and one token after each


@runtime_checkable
class SharesRuns(Protocol):
    """A session that may run several sequences at once, and need not."""

    shares_runs: bool


def prove(session: Session, *, with_cache: bool = False) -> None:
    """Run a token through ``session`` and leave it as it was.

    ``with_cache``: also compare a few tokens at once with the same tokens after one another, which need the KV cache,
    and with those of another sequence in the same step. A session that confuses the two runs each alone from then on.
    Raises: BackendError; whatever the run raises.
    """
    token_ids = np.zeros(1, np.int64)
    if session.info.vocab_size:
        values = session.step([SlotTokens(0, token_ids)]).logits
        session.truncate(0, 0)
    else:
        values = np.abs(session.embed([token_ids]))  # of an embedding nothing may be -inf
    _check_numbers(session, values, "the first token's values")
    if with_cache and session.info.vocab_size and session.info.context_length >= sum(_CHUNKS):
        _prove_cache(session)


def step_s(session: Session) -> float:
    """Return the seconds that a token alone takes, the better of two, and leave ``session`` as it was.

    It has run before: the first run compiles a GPU's kernels. Raises: BackendError; whatever the run raises.
    """
    return min(_timed(session) for _ in range(2))


def _timed(session: Session) -> float:
    token_ids = np.zeros(1, np.int64)
    started = time.perf_counter()
    if session.info.vocab_size:
        session.step([SlotTokens(0, token_ids)])
    else:
        session.embed([token_ids])
    taken = time.perf_counter() - started
    if session.info.vocab_size:
        session.truncate(0, 0)
    return taken


def _prove_cache(session: Session) -> None:
    """Raise BackendError unless a beginning, and chunks after it, have the logits of all at once."""
    # From all over the vocabulary: its first tokens are control tokens, which differ ten times more in float16.
    token_ids = np.arange(1, 1 + sum(_CHUNKS)) * session.info.vocab_size // (1 + sum(_CHUNKS))
    whole = _logits(session, [token_ids])
    chunked = _logits(session, np.split(token_ids, np.cumsum(_CHUNKS)[:-1]))
    _check_numbers(session, whole, "the logits of several tokens")
    _check_numbers(session, chunked, "the logits after a past")
    _check_same(session, whole, chunked, "after a past than without")
    if session.info.num_slots > 1:
        _prove_company(session, token_ids, whole)


def _prove_company(session: Session, token_ids: NDArray[np.int64], whole: NDArray[np.float32]) -> None:
    """Raise BackendError unless two sequences have the logits of ``whole`` in one step, if need be each run alone."""
    try:
        _check_company(session, token_ids, whole)
    except BackendError as error:
        if not isinstance(session, SharesRuns) or not session.shares_runs:
            raise
        name = session.info.device.used
        logger.warning("%s confuses sequences of several lengths in one run, so each runs alone: %s", name, error)
        session.shares_runs = False
        _check_company(session, token_ids, whole)


def _check_company(session: Session, token_ids: NDArray[np.int64], whole: NDArray[np.float32]) -> None:
    ends = [0, 0]
    rows: list[tuple[int, NDArray[np.float32]]] = []
    for counts in _TOGETHER:
        begins, ends = ends, [end + count for end, count in zip(ends, counts, strict=True)]
        spans = [range(begin, end) for begin, end in zip(begins, ends, strict=True)]
        batch = [SlotTokens(slot, token_ids[span], len(span)) for slot, span in enumerate(spans)]
        logits = session.step(batch).logits
        rows += zip([index for span in spans for index in span], logits.copy(), strict=True)
    for slot in range(2):
        session.truncate(slot, 0)
    for index, together in rows:  # each for itself: the longest sequence is right where the others are not
        _check_numbers(session, together[np.newaxis], "the logits in company")
        _check_same(session, whole[[index]], together[np.newaxis], "of several sequences at once than of one")


def _check_same(session: Session, expected: NDArray[np.float32], values: NDArray[np.float32], when: str) -> None:
    """Raise BackendError unless ``values`` are the logits ``expected``, both numbers or -inf."""
    never = np.isneginf(expected)
    complaint = f"{session.info.device.used} computes other logits {when}"
    if not np.array_equal(never, np.isneginf(values)):
        raise BackendError(f"{complaint}: other tokens have the logit -inf; choose another provider")
    difference = relative_difference(*(np.where(never, 0, each) for each in (expected, values)))
    if difference > MAX_DIFFERENCE:
        raise BackendError(
            f"{complaint}: they differ by {difference:.2f} of their spread, more than {MAX_DIFFERENCE}; choose another "
            "provider"
        )


def relative_difference(expected: NDArray[np.float32], values: NDArray[np.float32]) -> float:
    """Return how far rows of logits are from those expected, over the spread of these."""
    wanted, found = expected.astype(np.float64), values.astype(np.float64)  # for the squares of large logits
    spread = np.linalg.norm(wanted - wanted.mean(axis=1, keepdims=True))
    return float(np.linalg.norm(found - wanted) / max(spread, np.finfo(np.float32).tiny))


def _check_numbers(session: Session, values: NDArray[np.float32], what: str) -> None:
    """Raise BackendError for a NaN, an inf, or a row of nothing but -inf, the logit of a token that is never meant."""
    if not np.isfinite(values.max(axis=1)).all():  # the largest is NaN where any is
        raise BackendError(
            f"{session.info.device.used} computes no numbers: {what} are not finite; choose another provider, or "
            "convert the model again"
        )


def _logits(session: Session, chunks: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Return the logits of every position, float32 ``(tokens, vocab_size)``, and leave the slot empty."""
    rows = [session.step([SlotTokens(0, chunk, len(chunk))]).logits.copy() for chunk in chunks]
    session.truncate(0, 0)
    return np.concatenate(rows)
