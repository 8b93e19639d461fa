"""The session of a generation graph on a device that runs one sequence at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jan_ort_backends import SlotTokens, StepOutput
from jan_ort_onnxruntime.sessions.generation_session import GenerationSession
from jan_ort_onnxruntime.sessions.plan_alone import plan_alone
from jan_ort_onnxruntime.sessions.step_plan import Run


class SeparateSession(GenerationSession):
    """Remembers each slot's tokens, for a prompt's later chunks run from the beginning; see :func:`plan_alone`."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._held = [np.zeros(0, np.int64) for _ in range(self.info.num_slots)]

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run each row; what is held changes only when all of it succeeded."""
        output = super().step(batch)
        for row in batch:
            before = self.lengths[row.slot] - len(row.token_ids)
            self._held[row.slot] = np.concatenate([self._held[row.slot][:before], row.token_ids])
        return output

    def _plan(self, batch: Sequence[SlotTokens]) -> list[Run]:
        self._rows.place([row.slot for row in batch], self.lengths)
        held = [token_ids[:length] for token_ids, length in zip(self._held, self.lengths, strict=True)]
        return plan_alone(batch, self._rows.rows, held)

    def fork(self, source: int, target: int, length: int) -> None:
        """Copy the keys and values of the first ``length`` tokens."""
        super().fork(source, target, length)
        self._held[target] = self._held[source][:length].copy()
