"""Runs a scheduler to the end over a model of the session's slots, and writes down every step as plain tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from jan_ort.engine.batch import Batch, Row
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.slots import MIN_CHUNK
from jan_ort_backends import State

PlacementRecord = tuple[str, int, int, int]
"""Name, slot, source, length."""
RowRecord = tuple[str, int, int]
"""Name, number of tokens, number of logits."""
Step = tuple[tuple[PlacementRecord, ...], tuple[RowRecord, ...]]


@dataclass(frozen=True)
class Job:
    """A sequence by name, how many tokens it will generate, the step before which it arrives, and its request.

    Without one it is the only sequence of a request of its own name.
    """

    name: str
    prompt: Sequence[int]
    num_generated: int = 1
    arrives: int = 0
    prompt_logits: bool = False
    request: str = ""
    owner: str = ""

    def sequence(self) -> TokenSequence:
        prompt, request = np.array(self.prompt, dtype=np.int64), self.request or self.name
        sequence = TokenSequence(prompt, request, wants_prompt_logits=self.prompt_logits)
        sequence.owner = sequence.scope = self.owner
        return sequence


@dataclass
class SlotModel:
    """What a session's slots hold: the tokens, and whether a prefill chunk of at least two computed each of them.

    ``checkpoints`` are the lengths that each slot can be cut to, if ``num_checkpoints`` is not None.
    """

    num_slots: int
    mixed: bool
    can_fork: bool
    num_checkpoints: int | None = None
    slots: list[list[tuple[int, bool]]] = field(init=False)
    checkpoints: list[list[int]] = field(init=False)
    saved: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)
    """By the identity of the bytes that stand for it."""

    def __post_init__(self) -> None:
        self._states: list[State] = []  # so that no other has the identity of one
        self.slots = [[] for _ in range(self.num_slots)]
        self.checkpoints = [[] for _ in range(self.num_slots)]

    def save(self, sequence: TokenSequence) -> State | None:
        """Return what stands for the content of a sequence's slot."""
        assert sequence.slot is not None
        content = self.slots[sequence.slot]
        assert len(content) == sequence.num_computed
        if not content:
            return None
        state = np.zeros(len(content), np.uint8)
        self.saved[id(state)] = list(content)
        self._states.append(state)
        return state

    def place(self, batch: Batch) -> None:
        """Carry out the placements as the engine does, and check that what they reuse is what a prefill would give."""
        for placement, sequence in batch.placements:
            if placement.saved is not None:
                self.slots[placement.slot] = list(self.saved.pop(id(placement.saved.state)))
                assert len(self.slots[placement.slot]) == placement.length == sequence.num_computed
                self.checkpoints[placement.slot] = []
                continue
            assert placement.source == placement.slot or self.can_fork
            kept = self.slots[placement.source][: placement.length]
            assert kept == [(token, True) for token in sequence.prompt[: placement.length].tolist()]
            self.slots[placement.slot] = list(kept)
            checkpoints = self.checkpoints[placement.source]
            assert self.num_checkpoints is None or placement.length in (0, *checkpoints)
            self.checkpoints[placement.slot] = [each for each in checkpoints if each <= placement.length]

    def check_kind(self, rows: Sequence[Row]) -> None:
        """Check that the rows are a batch that ``Session.step`` allows."""
        slots = [row.sequence.slot for row in rows]
        assert rows
        assert None not in slots
        assert len(set(slots)) == len(slots)
        assert all(0 <= row.num_logits <= row.num_tokens for row in rows)
        all_decode = all(row.num_tokens == 1 for row in rows)
        all_empty = all(not self.slots[slot] for slot in slots if slot is not None)
        assert self.mixed or len(rows) == 1 or all_decode or all_empty

    def append(self, row: Row, generated: Sequence[int]) -> None:
        """Append the row's tokens, which must go on exactly where the slot is."""
        sequence = row.sequence
        assert sequence.slot is not None
        content = self.slots[sequence.slot]
        tokens = [*sequence.prompt.tolist(), *generated]
        start = sequence.num_computed
        assert [token for token, _ in content] == tokens[:start]
        is_prefill = start < sequence.num_prompt_tokens
        assert start + row.num_tokens <= (sequence.num_prompt_tokens if is_prefill else len(tokens))
        assert not is_prefill or row.num_tokens >= MIN_CHUNK or sequence.num_prompt_tokens == 1
        content += [(token, is_prefill and row.num_tokens >= MIN_CHUNK) for token in tokens[start:][: row.num_tokens]]
        if row.keep and self.num_checkpoints:
            kept = [*self.checkpoints[sequence.slot], len(content)]
            self.checkpoints[sequence.slot] = kept[-self.num_checkpoints :]


class Run:
    """One scheduler's life. ``steps`` is the whole schedule, ``ended`` the names in the order in which they ended.

    ``cost`` says how long a step of these rows takes; ``taken_s`` has the times then, and the scheduler is told them.
    """

    def __init__(self, scheduler: Scheduler, cost: Callable[[Sequence[Row]], float] | None = None) -> None:
        self.scheduler = scheduler
        self.cost = cost
        self.taken_s: list[float] = []
        batching = scheduler.batching
        num_slots = len(scheduler.slots.slots)
        self.model = SlotModel(num_slots, batching.mixed, batching.can_fork, batching.num_checkpoints)
        self.steps: list[Step] = []
        self.ended: list[str] = []
        self.set_aside: list[tuple[int, str]] = []
        """Before which step whose sequence gave its slot up."""
        self.num_resumed = 0
        """Tokens that were computed before their sequence was set aside."""
        self.texts: dict[str, list[int]] = {}
        self._jobs: dict[int, Job] = {}
        """By sequence id."""

    def add(self, job: Job) -> None:
        sequence = job.sequence()
        self._jobs[sequence.id] = job
        self.texts[job.name] = []
        self.scheduler.add(sequence)

    def abort(self, request: str) -> None:
        for sequence in self.scheduler.abort(request):
            assert sequence.slot is None
            self.ended.append(self.name(sequence))

    def name(self, sequence: TokenSequence) -> str:
        return self._jobs[sequence.id].name

    def step(self, outcome: str = "computed") -> bool:
        """Compute one step; ``outcome`` may also be interrupted (nothing is computed) or failed."""
        aside = self.scheduler.to_set_aside()
        if aside is not None:
            self.set_aside.append((len(self.steps), self.name(aside)))
            self.scheduler.set_aside(aside, self.model.save(aside))
        batch = self.scheduler.schedule()
        if batch is None:
            return False
        self.model.place(batch)
        self.model.check_kind(batch.rows)
        self._check_owners()
        self.steps.append(self._record(batch))
        if outcome == "computed":
            self._compute(batch)
        elif outcome == "failed":
            touched = {s.id: s for s in (*(row.sequence for row in batch.rows), *(s for _, s in batch.placements))}
            for sequence in touched.values():
                self.scheduler.fail(sequence)
                self.ended.append(self.name(sequence))
        return True

    def _compute(self, batch: Batch) -> None:
        for row in batch.rows:
            self.model.append(row, self.texts[self.name(row.sequence)])
        if self.cost is not None:
            self.taken_s.append(self.cost(batch.rows))
        self.scheduler.commit(batch.rows, self.taken_s[-1] if self.cost is not None else None)
        for sequence in [row.sequence for row in batch.rows if row.sequence.is_prefilled]:
            text = self.texts[self.name(sequence)]
            text.append(1_000_000 + 1000 * sequence.id + len(text))  # a token that no other sequence has
            if len(text) == self._jobs[sequence.id].num_generated:
                self.scheduler.finish(sequence)
                self.ended.append(self.name(sequence))

    def _check_owners(self) -> None:
        held = {slot.index: slot.owner for slot in self.scheduler.slots.slots if slot.owner is not None}
        assert held == {sequence.slot: sequence.id for sequence in self.scheduler.running}

    def _record(self, batch: Batch) -> Step:
        """Return a batch as plain tuples."""
        self.num_resumed += sum(p.length for p, _ in batch.placements if p.saved is not None)
        placements = tuple((self.name(s), p.slot, p.source, p.length) for p, s in batch.placements)
        return placements, tuple((self.name(row.sequence), row.num_tokens, row.num_logits) for row in batch.rows)


def run(
    scheduler: Scheduler,
    jobs: Iterable[Job],
    aborts: Mapping[int, str] | None = None,
    cost: Callable[[Sequence[Row]], float] | None = None,
) -> Run:
    """Run jobs to the end, aborting a name before the step of that number."""
    waiting = sorted(jobs, key=lambda job: job.arrives)
    result = Run(scheduler, cost)
    aborts = dict(aborts or {})
    for at in range(10_000):
        while waiting and waiting[0].arrives <= at:
            result.add(waiting.pop(0))
        if at in aborts:
            result.abort(aborts[at])
        if not result.step() and not waiting:
            return result
    raise AssertionError("the schedule does not end")


def rows(result: Run) -> list[tuple[RowRecord, ...]]:
    """Return the rows of every step."""
    return [step[1] for step in result.steps]


def placements(result: Run) -> list[PlacementRecord]:
    """Return the placements of all steps, in order."""
    return [placement for step in result.steps for placement in step[0]]
