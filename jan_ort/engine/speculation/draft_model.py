"""A small model with the same tokens guesses what a large one will say (hop 5).

It draws with a copy of the sequence's own sampler, its random numbers included: where both models find the same likely,
both draw the same. Source of the idea: Leviathan et al. 2023, arXiv:2211.17192; that a draft ends where its model is
not sure: Zhang et al. 2023, arXiv:2309.08168, section 3.3.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from jan_ort.engine.recovery import kill
from jan_ort.engine.row_sampling import within_vocabulary
from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.call_times import CallTimes
from jan_ort.engine.speculation.confidence import Confidence
from jan_ort.engine.speculation.draft_slots import DraftSlot, DraftSlots
from jan_ort.engine.speculation.drafter import Draft, Drafter, StepPrices, Wanted
from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import Session, SlotTokens, StepOutput

logger = logging.getLogger(__name__)

NUM_MEASURED = 4
"""Steps by which the model's pace is known before it has guessed anything; the first one is slow."""

ASSUMED_SHARE = 0.5
"""What guessing a token takes, as a share of a step, until one was timed."""

CHUNK = 64
"""Tokens of a prompt that the draft model reads between two steps of the other model."""


@dataclass(slots=True)
class _Guess:
    """A draft in the making: ``missing`` is what its slot lacks to go on, ``reach`` how likely all of it is taken."""

    wanted: Wanted
    slot: DraftSlot
    missing: list[int]
    sampler: SamplerState
    tokens: list[int] = field(default_factory=list)
    probabilities: list[float] = field(default_factory=list)
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How long drafts are to be: of ``num`` tokens, each of which is worth so much of a step to draft and to check."""

    num: int
    drafting: float
    checking: float


class DraftModel(Drafter):
    """Guesses with ``session``, which has the same tokens as the model that it guesses for, ``vocab_size`` of them.

    ``mixed``: it takes rows of any number of tokens together. What it raises ends the drafts, and nothing else.
    ``closed`` is called once it is closed.
    """

    def __init__(
        self,
        session: Session,
        *,
        vocab_size: int,
        eos_token_ids: Sequence[int],
        mixed: bool,
        closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._vocab_size = vocab_size
        self._eos = frozenset(eos_token_ids)
        self._mixed = mixed
        self._closed = closed
        self._slots = DraftSlots(session)
        self._sampler = Sampler([each for each in eos_token_ids if each < min(vocab_size, session.info.vocab_size)])
        self._times = CallTimes()
        self._confidence = Confidence()
        self._guessed: dict[int, list[float]] = {}  # the probabilities of the last draft's tokens, by sequence
        self._is_lost = False

    def measure(self) -> None:
        """Note what a token takes, so that no prompt is read for drafts that cannot pay. Raises: what the session does.

        Before the first draft, for it empties a slot.
        """
        taken_s = []
        for _ in range(NUM_MEASURED):
            started = time.perf_counter()
            self._session.step([SlotTokens(0, np.zeros(1, np.int64))])
            taken_s.append(time.perf_counter() - started)
        self._session.truncate(0, 0)
        self._times.note(1, 1, min(taken_s))

    def drafts(self, wanted: Sequence[Wanted], prices: StepPrices) -> list[Draft]:
        """Return as many tokens for each sequence as the chances so far promise to gain by; all of them, or none."""
        self.taken_s = 0.0
        nothing: list[Draft] = [()] * len(wanted)
        if self._is_lost or not self._can_draft(wanted):
            return nothing
        plan = self._plan(len(wanted), max(each.most for each in wanted), prices)
        try:
            return self._drafts(wanted, plan) if plan.num and not self._read(wanted) else nothing
        except Exception as error:
            self._is_lost = True
            logger.error("the draft model failed, and nothing is drafted until the model is loaded again: %s", error)
            return nothing

    def judged(self, sequence: TokenSequence, num_drafted: int, num_accepted: int) -> None:
        """Learn how far the model's probabilities can be trusted."""
        probabilities = self._guessed.get(sequence.id, ())
        for number, probability in enumerate(probabilities[: min(num_accepted + 1, num_drafted)]):
            self._confidence.note(probability, is_taken=number < num_accepted)

    def end(self, sequence: TokenSequence) -> None:
        """Keep what the sequence's slot holds for the next one."""
        self._guessed.pop(sequence.id, None)
        self._slots.end(sequence)

    def kill(self) -> None:
        """End a step that hangs in a process of its own."""
        kill(self._session)

    def close(self) -> None:
        """Close the session."""
        try:
            self._session.close()
        finally:
            self._closed()

    def _can_draft(self, wanted: Sequence[Wanted]) -> bool:
        """Whether every sequence has room for a draft, and is a text: the model reads no images."""
        info = self._session.info
        return len(wanted) <= info.num_slots and all(
            each.most
            and not each.sequence.embedded
            and each.sequence.num_computed + 1 + each.most <= info.context_length
            for each in wanted
        )

    def _plan(self, num_rows: int, most: int, prices: StepPrices) -> Plan:
        """Return the length with the most tokens for their time by the chances so far, the shortest if none gains.

        Nothing is drafted that could not gain if all of it were taken, nor what cannot be borne if none is.
        """
        one_s, plain_s = self._times.of(num_rows, num_rows), prices.plain_s
        each = ASSUMED_SHARE if one_s is None or plain_s is None else one_s / plain_s
        best, best_rate, may_lose, gain, reach = Plan(0, each, 0.0), 0.0, prices.may_lose(), 1.0, 1.0
        for num in range(1, most + 1):
            checked = prices.of(num)
            price = checked + num * each
            reach *= self._confidence.mean
            gain += reach
            if price - 1 > may_lose:
                break
            if price < 1 + num and gain / price > best_rate:
                best, best_rate = Plan(num, each, (checked - 1) / num), gain / price
        return best

    def _read(self, wanted: Sequence[Wanted]) -> bool:
        """Have the model read a chunk of a text that it is behind with; return whether there was one."""
        present = {each.sequence.id for each in wanted}
        for each in wanted:
            slot = self._slots.take(each.sequence, present)
            missing = each.sequence.since(slot.num_true)
            if len(missing) > CHUNK:
                chunk = missing[:CHUNK]
                self._session.step([SlotTokens(slot.index, np.array(chunk, np.int64), 0)])
                slot.tokens += chunk
                slot.num_true += len(chunk)
                return True
        return False

    def _drafts(self, wanted: Sequence[Wanted], plan: Plan) -> list[Draft]:
        started = time.perf_counter()
        present = {each.sequence.id for each in wanted}
        guesses = []
        for each in wanted:
            slot = self._slots.take(each.sequence, present)
            guesses.append(_Guess(each, slot, each.sequence.since(slot.num_true), each.sampler.copy()))
            slot.num_true += len(guesses[-1].missing)
        going = guesses
        while going:
            going = [each for each in self._guess(going, plan) if self._goes_on(each, plan)]
        self._guessed |= {each.wanted.sequence.id: each.probabilities for each in guesses}
        self.taken_s = time.perf_counter() - started
        return [tuple(each.tokens) for each in guesses]

    def _guess(self, guesses: Sequence[_Guess], plan: Plan) -> Iterator[_Guess]:
        """Guess one more token of each, and yield those that have one."""
        for call in self._calls(guesses):
            started = time.perf_counter()
            output = self._session.step(
                [SlotTokens(each.slot.index, np.array(each.missing, np.int64)) for each in call]
            )
            num_tokens = sum(len(each.missing) for each in call)
            self._times.note(len(call), num_tokens, time.perf_counter() - started)
            output = within_vocabulary(output, self._vocab_size)
            samplers = [each.sampler for each in call]
            drawn = self._sampler.sample(output.logits, samplers, output.top_logits, output.top_token_ids)
            for row, (each, token) in enumerate(zip(call, drawn, strict=True)):
                each.slot.tokens += each.missing
                if isinstance(token, int):
                    self._note(each, token, _probability(output, row, token))
                    yield each

    def _calls(self, guesses: Sequence[_Guess]) -> Iterator[Sequence[_Guess]]:
        """Yield what the session takes at once."""
        if self._mixed:
            yield guesses
            return
        if together := [each for each in guesses if len(each.missing) == 1]:
            yield together
        yield from ([each] for each in guesses if len(each.missing) > 1)

    def _note(self, guess: _Guess, token: int, probability: float) -> None:
        guess.sampler.accept(token)
        guess.tokens.append(token)
        guess.probabilities.append(probability)
        guess.missing = [token]
        guess.reach *= self._confidence.chance(probability)

    def _goes_on(self, guess: _Guess, plan: Plan) -> bool:
        """Whether a further token is worth it; a last one that is not even worth checking is dropped."""
        if len(guess.tokens) > 1 and guess.reach < plan.checking:
            guess.tokens.pop()
            return False
        is_full = len(guess.tokens) >= min(plan.num, guess.wanted.most)
        return (
            not is_full
            and guess.tokens[-1] not in self._eos
            and guess.reach * self._confidence.mean > plan.drafting + plan.checking
        )


def _probability(output: StepOutput, row: int, token: int) -> float:
    """Return how likely the model finds a token, among the largest logits where it has these."""
    logits = (output.logits if output.top_logits is None else output.top_logits)[row].astype(np.float64)
    largest = logits.max()
    return float(np.exp(output.logits[row, token] - largest) / np.exp(logits - largest).sum())
