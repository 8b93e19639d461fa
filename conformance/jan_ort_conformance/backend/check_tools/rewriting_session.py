"""A session with checkpoints as one that is cut anywhere, so that one list of checks is for both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Session, SlotTokens, StepOutput


class RewritingSession(Session):
    """Does what ``session`` does, and where that cannot be cut writes the first tokens anew, in one step."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._written: dict[int, list[int]] = {}
        self.info = session.info

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run a step."""
        held = [self._written.setdefault(row.slot, []) for row in batch]
        output = self._session.step(batch)
        for row, token_ids in zip(batch, held, strict=True):
            token_ids.extend(row.token_ids.tolist())
        return output

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        return self._session.length(slot)

    def truncate(self, slot: int, length: int) -> None:
        """Cut a slot."""
        held = self._written.get(slot, [])
        if 0 < length < len(held):
            self._rewrite(slot, held[:length])
        else:
            self._session.truncate(slot, length)
            del held[length:]

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy a slot."""
        held = self._written.get(source, [])
        if 0 < length < len(held) and 0 <= target < self.info.num_slots:
            self._rewrite(target, held[:length])
        else:
            self._session.fork(source, target, length)
            self._written[target] = held[:length]

    def _rewrite(self, slot: int, token_ids: list[int]) -> None:
        self._session.truncate(slot, 0)
        self._session.step([SlotTokens(slot, np.array(token_ids), num_logits=0)])
        self._written[slot] = token_ids

    def interrupt(self) -> None:
        """End a running step."""
        self._session.interrupt()

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return vectors."""
        return self._session.embed(batch)

    def close(self) -> None:
        """Free everything."""
        self._session.close()
