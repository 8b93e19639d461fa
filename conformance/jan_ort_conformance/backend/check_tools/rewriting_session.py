"""A session with checkpoints as one that is cut anywhere, so that one list of checks is for both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import EMBEDDED, Embedded, EmbeddedRun, Session, SlotTokens, State, StepOutput
from jan_ort_backends.images import Detail


class RewritingSession(Session):
    """Does what ``session`` does, and where that cannot be cut writes the first tokens anew, in one step."""

    def __init__(self, session: Session) -> None:
        self.original = self._session = session
        self._written: dict[int, list[int]] = {}
        self._runs: dict[int, list[EmbeddedRun]] = {}
        self._saved: dict[bytes, tuple[list[int], list[EmbeddedRun]]] = {}
        self.info = session.info

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run a step."""
        held = [self._written.setdefault(row.slot, []) for row in batch]
        output = self._session.step(batch)
        for row, token_ids in zip(batch, held, strict=True):
            token_ids.extend(row.token_ids.tolist())
            self._runs.setdefault(row.slot, []).extend(row.embedded)
        return output

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        return self._session.length(slot)

    def truncate(self, slot: int, length: int) -> None:
        """Cut a slot."""
        held = self._written.get(slot, [])
        if 0 < length < len(held):
            self._rewrite(slot, slot, held[:length])
        else:
            self._session.truncate(slot, length)
            del held[length:]
            self._runs[slot] = self._runs_of(slot, held)

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy a slot."""
        held = self._written.get(source, [])
        if 0 < length < len(held) and 0 <= target < self.info.num_slots:
            self._rewrite(source, target, held[:length])
        else:
            self._session.fork(source, target, length)
            self._written[target] = held[:length]
            self._runs[target] = self._runs_of(source, held[:length])

    def _rewrite(self, source: int, target: int, token_ids: list[int]) -> None:
        runs = self._runs_of(source, token_ids)
        self._session.truncate(target, 0)
        self._session.step([SlotTokens(target, np.array(token_ids), num_logits=0, embedded=tuple(runs))])
        self._written[target], self._runs[target] = token_ids, runs

    def _runs_of(self, slot: int, token_ids: list[int]) -> list[EmbeddedRun]:
        """Return the runs of a slot whose places are in its first tokens."""
        num_left, runs = token_ids.count(EMBEDDED), []
        for run in self._runs.get(slot, []):
            num_left -= len(run.vectors)
            runs += [run] if num_left >= 0 else []
        return runs

    def save(self, slot: int) -> State:
        """Save a slot, with its tokens: they are known to this session alone."""
        state = self._session.save(slot)
        self._saved[state.tobytes()] = list(self._written.get(slot, [])), list(self._runs.get(slot, []))
        return state

    def load(self, slot: int, state: State) -> None:
        """Load a slot."""
        self._session.load(slot, state)
        written, runs = self._saved.get(state.tobytes(), ([], []))
        self._written[slot], self._runs[slot] = list(written), list(runs)

    def interrupt(self) -> None:
        """End a running step."""
        self._session.interrupt()

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return vectors."""
        return self._session.embed(batch)

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return an image's vectors."""
        return self._session.encode_image(pixels, detail)

    def close(self) -> None:
        """Free everything."""
        self._session.close()
