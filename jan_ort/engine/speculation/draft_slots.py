"""What the slots of a draft model hold, and for whom (hop 5)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from jan_ort.engine.sequence import TokenSequence
from jan_ort_backends import Session


@dataclass(slots=True)
class DraftSlot:
    """A slot with its ``tokens``: the first ``num_true`` are a sequence's own, the rest was guessed to follow them."""

    index: int
    scope: str = ""
    tokens: list[int] = field(default_factory=list)
    num_true: int = 0


class DraftSlots:
    """Gives each sequence a slot: its own, or the one whose tokens it begins with, within its scope.

    A sequence that has ended leaves its slot as it is, for the next turn begins with the same tokens. Where all slots
    are taken, by sequences that were set aside, it gets that of the one that was drafted for the longest time ago.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._free = [DraftSlot(index) for index in range(session.info.num_slots)]  # the last used last
        self._taken: OrderedDict[int, DraftSlot] = OrderedDict()  # by sequence, the last used last

    def take(self, sequence: TokenSequence, present: Collection[int]) -> DraftSlot:
        """Return the slot of a sequence, cut to the tokens that it has; those of ``present`` keep theirs.

        At least the last token is left to be computed. Raises: what the session does.
        """
        slot = self._taken.pop(sequence.id, None)
        if slot is None:
            slot = self._find(sequence, present)
        self._taken[sequence.id] = slot
        new = sequence.since(slot.num_true)
        slot.num_true += min(num_common(new, slot.tokens[slot.num_true :]), len(new) - 1)
        self._cut(slot, slot.num_true)
        return slot

    def end(self, sequence: TokenSequence) -> None:
        """Let the next one have the slot of a sequence."""
        slot = self._taken.pop(sequence.id, None)
        if slot is not None:
            self._free.append(slot)

    def _find(self, sequence: TokenSequence, present: Collection[int]) -> DraftSlot:
        """Return a slot that holds nothing but the beginning of a sequence."""
        if not self._free:
            idle = next(each for each in self._taken if each not in present)
            self._free.append(self._taken.pop(idle))
        tokens = sequence.since(0)
        common = [num_common(tokens, slot.tokens) * (slot.scope == sequence.scope) for slot in self._free]
        slot = self._free.pop(common.index(max(common)))  # of equals that of the longest ago
        slot.scope, slot.num_true = sequence.scope, min(max(common), len(tokens) - 1)
        self._cut(slot, slot.num_true)
        return slot

    def _cut(self, slot: DraftSlot, length: int) -> None:
        if len(slot.tokens) > length:
            self._session.truncate(slot.index, length)
            del slot.tokens[length:]


def num_common(tokens: Sequence[int], others: Sequence[int]) -> int:
    """Return how many tokens two texts begin with that are the same."""
    pairs = enumerate(zip(tokens, others, strict=False))
    return next((at for at, (token, other) in pairs if token != other), min(len(tokens), len(others)))
