"""The proof that a session works: some tokens, run at the start instead of by the first request."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BackendError, Session, SlotTokens

MAX_DIFFERENCE = 0.3
"""Of the logits with a past to those without, relative. SmolLM2 int8, ordinary tokens: OpenVINO differs by up to 0.05,
attention that loses its past by 0.8 at least."""

_CHUNKS = (1, 2, 1)  # a beginning, several tokens after a past, and one token after a past


def prove(session: Session, *, with_cache: bool = False) -> None:
    """Run a token through ``session`` and leave it as it was.

    ``with_cache``: also compare a few tokens at once with the same tokens after one another, which need the KV cache.
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
    never = np.isneginf(whole)  # the others are finite, as was checked
    if not np.array_equal(never, np.isneginf(chunked)):
        raise BackendError(
            f"{session.info.device.used} computes other logits after a past than without: other tokens have the logit "
            "-inf; choose another provider"
        )
    # float64, for the squares of large logits.
    without, after = (np.where(never, 0, values).astype(np.float64) for values in (whole, chunked))
    spread = np.linalg.norm(without - without.mean(axis=1, keepdims=True))
    difference = np.linalg.norm(after - without) / max(spread, np.finfo(np.float32).tiny)
    if difference > MAX_DIFFERENCE:
        raise BackendError(
            f"{session.info.device.used} computes other logits after a past than without: they differ by "
            f"{difference:.2f} of their spread, more than {MAX_DIFFERENCE}; choose another provider"
        )


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
