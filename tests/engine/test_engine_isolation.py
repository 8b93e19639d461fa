"""What fails for one sequence ends that one: the others' tokens are, bit for bit, those they have without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from jan_ort.engine.engine import Engine
from jan_ort.engine.engine_errors import SequenceFailed, StepFailed
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.sampling import chain
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.vocabulary import GrammarVocabulary
from jan_ort_backends import Capability, DeviceLost, OutOfMemory, SlotTokens, StepOutput
from tests.engine.running import (
    ALL,
    CHUNKED,
    EOS_TOKEN_ID,
    TOKENIZER,
    HeldSession,
    Panic,
    ask,
    encode,
    events_of,
    generate,
    outputs_of,
    request,
    running,
    wait_until,
)

COMPILER = GrammarCompiler(GrammarVocabulary(TOKENIZER, [EOS_TOKEN_ID], 512))
DATE = COMPILER.gbnf('root ::= [0-9]{4} "-" [0-9]{2} "-" [0-9]{2}')
PARAMS = [SamplingParams(12, min_tokens=12, seed=at, top_k=40 * (at % 2), logprobs=2) for at in range(4)]
TEXTS = ("Hello", "The river", "One two", "An old tree")
GUILTY = 2
ODD_TOKEN = 300

Fault = Callable[[StepOutput, Sequence[SlotTokens]], StepOutput]
Where = Callable[[NDArray[np.float32]], Any]


class Faulty(HeldSession):
    """Four slots, in the order in which the sequences come; ``fault`` changes or fails what a step has computed."""

    def __init__(self, fault: Fault = lambda output, batch: output) -> None:
        super().__init__(num_slots=4)
        self.fault = fault

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        return self.fault(super().step(batch), batch)


def four() -> list[GenerationRequest]:
    return [ask(text, params) for text, params in zip(TEXTS, PARAMS, strict=True)]


def outputs(session: HeldSession, capabilities: frozenset[Capability] = ALL) -> list[SequenceOutput]:
    """Return the end of four requests that one step after another computes together."""
    asked = request(*(Prompt(encode(text), at, PARAMS[at]) for at, text in enumerate(TEXTS)))
    with running(session, capabilities=capabilities) as engine:
        engine.submit(asked)
        ended = outputs_of(asked)
        assert (engine.num_queued, engine.failure) == (0, None)
    return ended


def told(events: Sequence[SequenceOutput]) -> list[tuple[object, ...]]:
    return [(each.text, each.token_ids, each.logprobs, each.finish_reason) for each in events]


def check_only_the_guilty_failed(ended: list[SequenceOutput], kind: type[Exception]) -> None:
    sound = outputs(Faulty())
    assert isinstance(ended[GUILTY].error, kind)
    others = [at for at in range(4) if at != GUILTY]
    assert told([ended[at] for at in others]) == told([sound[at] for at in others])


def spoiled(value: float, where: Where, *, in_largest: bool, has_largest: bool) -> Fault:
    """Return a fault that writes ``value`` into the guilty row of the fourth step."""
    num_steps = iter(range(1000))

    def fault(output: StepOutput, batch: Sequence[SlotTokens]) -> StepOutput:
        if next(num_steps) == 3:
            at = [row.slot for row in batch].index(GUILTY)
            output.logits[at, where(output.logits[at])] = value
            if in_largest and output.top_logits is not None:
                output.top_logits[at] = value
        return output if has_largest else StepOutput(output.logits)

    return fault


@pytest.mark.parametrize(
    ("value", "where", "in_largest", "has_largest"),
    [
        (np.nan, np.argmax, True, True),
        (np.inf, np.argmax, True, True),
        (-np.inf, lambda row: slice(None), True, True),
        (np.nan, np.argmin, False, True),
        (np.nan, np.argmax, True, False),
        (-np.inf, lambda row: slice(None), True, False),
    ],
    ids=["nan", "infinity", "nothing", "nan beside the largest", "nan alone", "nothing alone"],
)
def test_a_row_that_is_no_numbers_ends_its_own_sequence_only(
    value: float, where: Where, in_largest: bool, has_largest: bool
) -> None:
    ended = outputs(Faulty(spoiled(value, where, in_largest=in_largest, has_largest=has_largest)))

    check_only_the_guilty_failed(ended, StepFailed)
    assert "logits are not finite" in str(ended[GUILTY].error)


def test_a_prompt_whose_logits_are_no_numbers_ends_its_own_sequence_only() -> None:
    def fault(output: StepOutput, batch: Sequence[SlotTokens]) -> StepOutput:
        if batch[-1].num_logits > 1:
            output.logits[-2, 5] = np.nan  # not among the largest
        return output

    beside, asked = ask("Hello", PARAMS[0]), request(Prompt(encode("The river"), 0, PARAMS[1]), prompt_logprobs=True)
    with running(Faulty(fault)) as engine:
        engine.submit(beside)
        engine.submit(asked)
        (failed,), (sound,) = outputs_of(asked), outputs_of(beside)

    assert isinstance(failed.error, StepFailed)
    assert (sound.error, len(sound.token_ids)) == (None, 12)


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
@pytest.mark.parametrize("error", [OutOfMemory("no room"), RuntimeError("a bug"), Panic("a panic")])
@pytest.mark.parametrize("num_tokens", [0, 4], ids=["prefill", "decode"])
def test_of_a_step_that_fails_only_the_row_that_fails_alone_ends(
    error: BaseException, capabilities: frozenset[Capability], num_tokens: int
) -> None:
    session = Faulty()

    def fault(output: StepOutput, batch: Sequence[SlotTokens]) -> StepOutput:
        # The step has been counted already: what a check of its output finds leaves the slots longer than before.
        if any(row.slot == GUILTY and session.lengths[GUILTY] > num_tokens + 3 for row in batch):
            raise error
        return output

    session.fault = fault
    ended = outputs(session, capabilities)

    check_only_the_guilty_failed(ended, StepFailed)
    assert ended[GUILTY].error is not None
    assert ended[GUILTY].error.__cause__ is error


def test_a_step_that_fails_for_no_single_row_ends_nobody() -> None:
    def fault(output: StepOutput, batch: Sequence[SlotTokens]) -> StepOutput:
        if len(batch) > 3:
            raise OutOfMemory("four are too many")
        return output

    assert told(outputs(Faulty(fault))) == told(outputs(Faulty()))


def test_a_row_whose_slot_cannot_be_brought_back_ends() -> None:
    class Stuck(Faulty):
        def truncate(self, slot: int, length: int) -> None:
            if slot == GUILTY and length:
                raise RuntimeError("stuck")
            super().truncate(slot, length)

    failures = iter([None] * 4 + [RuntimeError("once")])
    session = Stuck()
    session.fails = lambda batch: next(failures, None)

    check_only_the_guilty_failed(outputs(session), StepFailed)


def test_a_lost_device_is_not_tried_again() -> None:
    session = Faulty()
    session.fails = lambda batch: DeviceLost("gone", recoverable=True)

    ended = outputs(session)

    assert [type(each.error) for each in ended] == [StepFailed] * 4
    assert len(session.batches) == 1


def test_a_row_that_cannot_be_sampled_ends_its_own_sequence_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from_largest = chain.from_largest

    def failing(values: Any, token_ids: Any, state: SamplerState, banned: Any) -> Any:
        if state.params is PARAMS[GUILTY] and state.num_generated == 3:
            raise ZeroDivisionError
        return from_largest(values, token_ids, state, banned)

    sound = outputs(Faulty())
    monkeypatch.setattr(chain, "from_largest", failing)
    ended = outputs(Faulty())

    assert isinstance(ended[GUILTY].error, SequenceFailed)
    others = [at for at in range(4) if at != GUILTY]
    assert told([ended[at] for at in others]) == told([sound[at] for at in others])


class FailingConstraint:
    """A constraint that fails at one of its methods, with something that is no ConstraintFailed."""

    def __init__(self, grammar: CompiledGrammar, at: str, error: BaseException) -> None:
        self._working, self._at, self._error = start(grammar), at, error

    def __getattr__(self, name: str) -> object:
        if name == self._at:
            raise self._error
        return getattr(self._working, name)


start = CompiledGrammar.start
ERRORS = [Panic("a panic"), RuntimeError("a bug"), SystemExit(1), KeyboardInterrupt()]


def check_the_request_failed_alone(engine: Engine, asked: GenerationRequest, cause: BaseException) -> None:
    beside = ask("One", SamplingParams(12, seed=1, min_tokens=12))
    engine.submit(beside)
    engine.submit(asked)
    (failed,), (sound,) = events_of(asked), events_of(beside)
    assert isinstance(failed.error, SequenceFailed)
    assert failed.error.__cause__ is cause
    assert (sound.error, len(sound.token_ids)) == (None, 12)
    wait_until(lambda: engine.num_queued == 0)
    assert (engine.failure, generate(engine, "Hello", SamplingParams(1)).error) == (None, None)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("at", ["closing", "allowed", "settle", "accept", "forced", "is_complete", "was_closed"])
def test_whatever_a_constraint_raises_ends_its_own_sequence_only(
    at: str, error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CompiledGrammar, "start", lambda self: FailingConstraint(self, at, error))

    with running() as engine:
        asked = request(Prompt(encode("The river"), 0, SamplingParams(60, seed=1), grammar=DATE))
        check_the_request_failed_alone(engine, asked, error)

    assert "a sequence failed" in caplog.text


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_grammar_that_does_not_start_ends_its_own_request_only(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: CompiledGrammar) -> None:
        raise error

    monkeypatch.setattr(CompiledGrammar, "start", fail)

    with running() as engine:
        asked = request(Prompt(encode("The river"), 0, SamplingParams(60, seed=1), grammar=DATE))
        check_the_request_failed_alone(engine, asked, error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("stream", [False, True])
def test_a_tokenizer_that_fails_at_a_token_ends_the_sequence_that_has_it(error: BaseException, stream: bool) -> None:
    class OddTokens:
        def token_bytes(self, token_id: int) -> bytes:
            if token_id == ODD_TOKEN:
                raise error
            return TOKENIZER.token_bytes(token_id)

        def token_name_bytes(self, token_id: int) -> bytes:
            return TOKENIZER.token_name_bytes(token_id)

    says_it = SamplingParams(60, temperature=0.0, logit_bias=((ODD_TOKEN, 1000.0),))
    with running(tokens=OddTokens()) as engine:
        check_the_request_failed_alone(engine, ask("The river", says_it, stream=stream), error)
