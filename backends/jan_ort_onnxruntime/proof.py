"""The proof that a session works: one token, run at the start instead of by the first request."""

from __future__ import annotations

import numpy as np

from jan_ort_backends import BackendError, Session, SlotTokens


def prove(session: Session) -> None:
    """Run one token through ``session`` and leave it as it was. Raises: BackendError; whatever the run raises."""
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
