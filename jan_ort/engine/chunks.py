"""Which part of which prompt the next step computes (hop 5)."""

from __future__ import annotations

from jan_ort.engine.batch import Row
from jan_ort.engine.batching import Batching
from jan_ort.engine.embedded import uncut, uncut_from
from jan_ort.engine.pace import Pace
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import MIN_CHUNK, SlotTable
from jan_ort.engine.turns import Turns


class Chunks:
    """Cuts prompts into chunks of as much as a step may hold, and says which prompt's turn it is."""

    def __init__(self, batching: Batching, slots: SlotTable, turns: Turns, pace: Pace) -> None:
        self._batching = batching
        self._slots = slots
        self._turns = turns
        self._pace = pace
        self._oldest_last = False  # whether the last chunk was one of the oldest prompt's

    def last_checkpoint(self, sequence: TokenSequence) -> int:
        """Return where the last chunk of a prompt ends that is kept, 0 if none is worth it."""
        end = uncut(sequence.prompt, sequence.num_prompt_tokens - MIN_CHUNK)
        is_worth_it = end - sequence.num_cached >= self._batching.smallest_kept
        return end if self._batching.num_checkpoints and is_worth_it else 0

    def _num_kept(self, sequence: TokenSequence) -> int:
        """Return how many tokens there are to a prompt's last checkpoint, if what comes before is all of prefill."""
        is_whole = sequence.num_computed == self._slots.num_cached(sequence.slot)
        return max(0, self.last_checkpoint(sequence) - sequence.num_computed) if is_whole else 0

    def next(self, prefilling: list[TokenSequence], *, beside_decode: bool) -> list[Row]:
        """Return a chunk of one prompt, or several whole prompts where the kind of step allows it.

        The oldest prompt and the one with the fewest chunks to go take turns: so a long one holds no short one up by
        more than a chunk, and goes on itself every other time. Among equals the one with the fewest of its request
        beside it goes first.
        """
        if not prefilling:
            return []
        budgets = {s.id: self._budget(s, prefilling, beside_decode=beside_decode) for s in prefilling}
        in_turn = prefilling
        if self._oldest_last:
            in_turn = sorted(
                prefilling, key=lambda s: (-(-s.num_remaining // budgets[s.id]), self._turns.num_running(s))
            )
        self._oldest_last = in_turn[0] is prefilling[0]
        if self._batching.mixed:
            return self._fill(in_turn, budgets)
        budget = budgets[in_turn[0].id]
        first = self._first_prompts(in_turn, budget)
        return first if len(first) > 1 else [self._chunk(in_turn[0], budget)]

    def _budget(self, sequence: TokenSequence, prefilling: list[TokenSequence], *, beside_decode: bool) -> int:
        """Return how many tokens a step of this prompt may hold.

        Others wait while somebody decodes, and while another request's prompt needs but a chunk.
        """
        limits = self._batching
        ends_soon = (s.request_id for s in prefilling if s.num_remaining <= limits.smallest_alone)
        others_wait = beside_decode or any(request_id != sequence.request_id for request_id in ends_soon)
        smallest = limits.smallest_beside if others_wait else limits.smallest_alone
        largest = limits.chunk_beside_decode if beside_decode else limits.chunk_alone
        if sequence.wants_prompt_logits:
            largest = min(largest, limits.chunk_with_logits)
        within = self._pace.num_tokens(sequence.num_computed, beside_decode=beside_decode)
        return int(min(largest, max(smallest, within)))

    def _fill(self, prefilling: list[TokenSequence], budgets: dict[int, int]) -> list[Row]:
        """Return chunks of one prompt after another while each one's budget is not used up by those before it."""
        rows: list[Row] = []
        share = 1.0
        for sequence in prefilling:
            budget = round(share * budgets[sequence.id])
            if budget < MIN_CHUNK:
                break
            rows.append(self._chunk(sequence, budget))
            share -= rows[-1].num_tokens / budgets[sequence.id]
        return rows

    def _first_prompts(self, prefilling: list[TokenSequence], budget: int) -> list[Row]:
        """Return whole prompts of empty slots, in this order, whose right-padded rectangle fits the budget."""
        rows: list[Row] = []
        longest = 0
        for sequence in prefilling:
            num = sequence.num_prompt_tokens
            fits_the_kind = not sequence.num_computed and num >= MIN_CHUNK and not sequence.wants_prompt_logits
            fits_the_kind = fits_the_kind and not self._num_kept(sequence)
            if not fits_the_kind and not rows:
                break  # the prompt whose turn it is goes first, whatever could be batched behind it
            if not fits_the_kind:
                continue
            if (len(rows) + 1) * max(longest, num) > budget:
                break
            longest = max(longest, num)
            rows.append(Row(sequence, num, 1))
        return rows

    def _chunk(self, sequence: TokenSequence, budget: int) -> Row:
        """Return the next chunk of a prompt, never leaving a last chunk of one token."""
        num_kept = self._num_kept(sequence)
        remaining = num_kept or sequence.num_remaining
        num = min(remaining, max(budget, MIN_CHUNK))
        if remaining - num == 1:
            num = num - 1 if num > MIN_CHUNK else remaining
        num = _whole_runs(sequence, num)
        ends = num == sequence.num_remaining
        return Row(sequence, num, num if sequence.wants_prompt_logits else int(ends), keep=num_kept > 0)


def _whole_runs(sequence: TokenSequence, num: int) -> int:
    """Return about ``num`` of a prompt's next tokens: so many that no image's run is cut, and no single token left."""
    if not sequence.embedded:
        return num
    begin = sequence.num_computed
    fewer = uncut(sequence.prompt, begin + num) - begin
    if fewer >= MIN_CHUNK:
        return fewer
    more = uncut_from(sequence.prompt, begin + num) - begin
    return more if sequence.num_remaining - more != 1 else sequence.num_remaining
