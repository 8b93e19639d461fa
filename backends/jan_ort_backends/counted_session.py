"""A session that counts the tokens of its slots, so that a backend has only its model to run."""

from __future__ import annotations

from collections.abc import Sequence

from jan_ort_backends.checks import check_batch, check_prefix, check_slot
from jan_ort_backends.errors import Unsupported
from jan_ort_backends.interface import Capability, Session, SessionInfo, SlotTokens, StepOutput
from jan_ort_backends.states import State, checked_length


class CountedSession(Session):
    """A session whose ``step`` checks the batch, calls ``run`` and counts what was appended.

    ``lengths`` holds the number of tokens of each slot, and ``checkpoints`` where else it can be cut, ascending. A
    backend overrides ``run``, ``cut`` if forgetting takes work, and of ``fork``, ``interrupt``, ``embed`` and ``close``
    what it has. One with checkpoints copies the state in ``run``, where a row with ``keep`` ends, and takes it back in
    ``cut`` and ``fork``; the latter begins with ``check_cut`` and ends with ``note_fork``. One whose slots can be saved
    begins ``load`` with ``check_state`` and ends it with ``note_load``; ``jan_ort_backends.states`` has the bytes.
    """

    def __init__(self, info: SessionInfo) -> None:
        self.info = info
        self.lengths = [0] * info.num_slots
        self.checkpoints: list[tuple[int, ...]] = [()] * info.num_slots

    def run(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run the model once over ``batch``, which is checked, and return the logits that were asked for.

        ``lengths`` is still what it was before the step. After an error what the model appended must not count.
        Without ``MIXED_BATCH`` it begins with ``check_kind(batch, self.lengths)``.
        Raises: as :meth:`Session.step`.
        """
        raise Unsupported(Capability.GENERATE)

    def cut(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``; a KV cache that is overwritten needs nothing."""

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Check and run a step, and count its tokens. Raises: as :meth:`Session.step`."""
        check_batch(batch, self.lengths, self.info)
        output = self.run(batch)
        for row in batch:  # last, so that a step that fails leaves every length as it was
            self.lengths[row.slot] += len(row.token_ids)
            if row.keep and self.info.num_checkpoints:
                kept = (*self.checkpoints[row.slot], self.lengths[row.slot])
                self.checkpoints[row.slot] = kept[-self.info.num_checkpoints :]
        return output

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        check_slot("slot", slot, self.info.num_slots)
        return self.lengths[slot]

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``. Raises: as :meth:`Session.truncate`."""
        self.check_cut(slot, length)
        self.cut(slot, length)
        self.note_fork(slot, slot, length)

    def check_cut(self, slot: int, length: int) -> None:
        """Raise BadInput unless the first ``length`` tokens of ``slot`` can be had."""
        held = self.length(slot)
        check_prefix(slot, length, held, None if self.info.num_checkpoints is None else self.checkpoints[slot])

    def note_fork(self, source: int, target: int, length: int) -> None:
        """Note that ``target`` has become a copy of the first ``length`` tokens of ``source``."""
        self.checkpoints[target] = tuple(each for each in self.checkpoints[source] if each <= length)
        self.lengths[target] = length

    def check_state(self, slot: int, state: State) -> int:
        """Return how many tokens ``slot`` would hold. Raises: BadInput for a state that cannot be loaded."""
        length = checked_length(state, self.info.state_key, self.info.context_length)
        check_slot("slot", slot, self.info.num_slots)
        return length

    def note_load(self, slot: int, length: int) -> None:
        """Note that ``slot`` holds ``length`` tokens of a state."""
        self.checkpoints[slot] = ()
        self.lengths[slot] = length
