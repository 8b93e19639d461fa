"""A step with drafts as the steps of one token that it stands for (hop 7)."""

from __future__ import annotations

from collections.abc import Iterator

from jan_ort.engine.batch import Row
from jan_ort.engine.model_runner import Computed
from jan_ort.engine.row_sampling import pick


class Verified:
    """One row of a step: how many of its logits were sampled from, while what was taken is what was drafted.

    ``first`` is the place of its first logits in the step's output.
    """

    def __init__(self, row: Row, first: int) -> None:
        self.row = row
        self.first = first
        self.num_accepted = 0
        self._begin = row.sequence.num_computed + 1
        self._num_new = 1

    @property
    def next_row(self) -> Row:
        """The row of a step without drafts that would have the next logits."""
        return Row(self.row.sequence, self._num_new, 1)

    @property
    def next_logits(self) -> int:
        """Where these are in the output."""
        return self.first + self.num_accepted

    def advance(self) -> bool:
        """Whether all that the sequence has taken since was drafted, so that the logits after it are there."""
        if self.row.sequence.slot is None:
            return False  # it has ended
        taken = self.row.sequence.since(self._begin)
        if not 0 < len(taken) <= len(self.row.draft) or tuple(taken) != self.row.draft[: len(taken)]:
            return False
        self._num_new = len(taken) - self.num_accepted
        self.num_accepted = len(taken)
        return True


class Verification:
    """Goes through a computed step: whoever takes a part has its tokens appended before asking for the next one.

    So each token is sampled, checked and sent as in a step without drafts, with its sequence's own random number. That
    keeps the sampler's distribution: a draft decides which logits are there, and never which token is taken.
    """

    def __init__(self, computed: Computed) -> None:
        self._computed = computed
        self.rows: list[Verified] = []
        first = 0
        for row in computed.rows:
            self.rows.append(Verified(row, first))
            first += row.num_logits

    def __iter__(self) -> Iterator[Computed]:
        going = self.rows
        while going:
            output = pick(self._computed.output, [each.next_logits for each in going])
            yield Computed(tuple(each.next_row for each in going), output, 0.0)
            going = [each for each in going if each.advance()]
