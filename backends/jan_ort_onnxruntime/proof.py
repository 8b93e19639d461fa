"""The proof that a session works: some tokens, run at the start instead of by the first request."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import BackendError, Session, SlotTokens

MAX_DIFFERENCE = 0.1
"""Of the logits with a past to those without, relative: float16 differs by 0.01, attention that loses its past by 1."""

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
        values = session.embed([token_ids])
    if not np.isfinite(values.max(axis=1)).all():  # a logit may be -inf, for a token that is never meant
        raise BackendError(
            f"{session.info.device.used} computes no numbers: the first token's values are not finite; choose another "
            "provider, or convert the model again"
        )
    if with_cache and session.info.vocab_size and session.info.context_length >= sum(_CHUNKS):
        _prove_cache(session)


def _prove_cache(session: Session) -> None:
    token_ids = np.arange(1, 1 + sum(_CHUNKS)) % session.info.vocab_size
    whole = _logits(session, [token_ids])
    chunked = _logits(session, np.split(token_ids, np.cumsum(_CHUNKS)[:-1]))
    used = np.isfinite(whole) & np.isfinite(chunked)
    whole, chunked = np.where(used, whole, 0), np.where(used, chunked, 0)
    spread = np.linalg.norm(whole - whole.mean(axis=1, keepdims=True))
    difference = np.linalg.norm(chunked - whole) / max(spread, np.finfo(np.float32).tiny)
    if difference > MAX_DIFFERENCE:
        raise BackendError(
            f"{session.info.device.used} computes other logits after a past than without: they differ by "
            f"{difference:.2f} of their spread, more than {MAX_DIFFERENCE}; choose another provider"
        )


def _logits(session: Session, chunks: list[NDArray[np.int64]]) -> NDArray[np.float32]:
    """Return the logits of every position, float32 ``(tokens, vocab_size)``, and leave the slot empty."""
    rows = [session.step([SlotTokens(0, chunk, len(chunk))]).logits.copy() for chunk in chunks]
    session.truncate(0, 0)
    return np.concatenate(rows)
