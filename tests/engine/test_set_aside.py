"""A sequence that was set aside has the tokens that it has without, to the bit, and ends like any other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from jan_ort.engine.engine_errors import DeviceUnavailable, EngineStopped, StepFailed
from jan_ort.engine.events import SequenceOutput
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.sampling.params import SamplingParams
from jan_ort.structured.compiler import CompiledGrammar, GrammarCompiler
from jan_ort.structured.vocabulary import GrammarVocabulary
from jan_ort_backends import Capability, DeviceLost, OpenOptions, OutOfMemory, Session, State
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.engine.running import ALL, CHUNKED, CONTEXT_LENGTH, EOS_TOKEN_ID, TOKENIZER, encode, request
from tests.engine.stepping import Stepped, stepped

COMPILER = GrammarCompiler(GrammarVocabulary(TOKENIZER, [EOS_TOKEN_ID], 512))
FORCING = COMPILER.gbnf('root ::= ("a " [0-9] " and then a " [a-z] [a-z] [a-z] " for all that is here; "){3}')
LONG = "The server reads a question and writes an answer." + " It is a good answer." * 6
KINDS: dict[str, tuple[SamplingParams, CompiledGrammar | None]] = {
    "plain": (SamplingParams(30, seed=1, min_tokens=30), None),
    "logprobs": (SamplingParams(30, seed=2, min_tokens=30, logprobs=3), None),
    "penalties": (SamplingParams(30, seed=3, frequency_penalty=1.2, presence_penalty=0.3, repeat_penalty=1.3), None),
    "grammar": (SamplingParams(90, seed=4, temperature=1.5), FORCING),
    "stop": (SamplingParams(60, seed=5, temperature=1.3, stop=("e t", "zz", "an")), None),
}


class Recurrent(ReferenceSession):
    """Goes on or is emptied: its state cannot be cut."""

    def __init__(self, num_slots: int) -> None:
        super().__init__(num_slots, CONTEXT_LENGTH)
        self.info = replace(self.info, num_checkpoints=0)


def several(kind: str = "plain", num: int = 7, text: str = LONG) -> GenerationRequest:
    params, grammar = KINDS[kind]
    prompt = encode(text)
    return request(*(Prompt(prompt, at, params, choice=at, grammar=grammar) for at in range(num)))


def small(at: int = 0) -> GenerationRequest:
    return request(Prompt(encode(f"Why {at}?"), 0, SamplingParams(2, seed=at, min_tokens=2)))


def told(outputs: list[SequenceOutput]) -> list[tuple[Any, ...]]:
    return [(each.text, each.token_ids, each.logprobs, each.finish_reason, each.stop_string) for each in outputs]


def beside_small_ones(
    session: Session, kind: str, every: int, capabilities: Collection[Capability] = CHUNKED
) -> tuple[list[tuple[Any, ...]], int]:
    """Return what a large request says while small ones come, each so many steps after the last one's end.

    And how often one of its sequences was set aside.
    """
    large, one = several(kind), small()
    with stepped(session, capabilities=capabilities) as engine:
        engine.submit(large)
        engine.steps(every)
        for at in range(400):
            if len(engine.outputs(large)) == len(large.prompts):
                break
            if not at or engine.outputs(one):
                engine.steps(every)
                one = small(at)
                engine.submit(one)
            engine.steps(1)
        engine.all_steps()
        assert [each.error for each in engine.outputs(large)] == [None] * len(large.prompts)
        return told(engine.outputs(large)), engine.engine.statistics.num_set_aside


def undisturbed(kind: str) -> list[tuple[Any, ...]]:
    large = several(kind)
    with stepped(ReferenceSession(7, CONTEXT_LENGTH), capabilities=CHUNKED) as engine:
        engine.submit(large)
        engine.all_steps()
        assert engine.engine.statistics.num_set_aside == 0
        return told(engine.outputs(large))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recurrent", [False, True], ids=["cut anywhere", "recurrent"])
def test_who_is_set_aside_has_the_same_tokens(kind: str, recurrent: bool) -> None:
    session = Recurrent(2) if recurrent else ReferenceSession(2, CONTEXT_LENGTH)

    found, num_set_aside = beside_small_ones(session, kind, every=5)

    assert num_set_aside >= (4 if kind in ("plain", "logprobs") else 1), "the others end sooner"
    assert found == undisturbed(kind)


@pytest.mark.parametrize("every", [1, 2, 3])
def test_at_whatever_step(every: int) -> None:
    found, num_set_aside = beside_small_ones(ReferenceSession(3, CONTEXT_LENGTH), "logprobs", every, ALL)

    assert num_set_aside >= 4
    assert found == undisturbed("logprobs")


def test_so_it_is_in_a_process_of_its_own() -> None:
    session = open_isolated(ReferenceBackend(), FOLDER, OpenOptions(num_slots=2))

    found, num_set_aside = beside_small_ones(session, "logprobs", every=9)

    assert num_set_aside >= 4
    assert found == undisturbed("logprobs")


def test_the_first_token_comes_within_three_steps_of_ones_own_prefill() -> None:
    for num in (128, 600):
        large, one = several(num=num, text="The river"), small()
        with stepped(ReferenceSession(2, CONTEXT_LENGTH), capabilities=CHUNKED) as engine:
            engine.submit(large)
            engine.steps(12)
            engine.submit(one)
            engine.steps(6)

            assert engine.first_at[id(one.sink)] - 12 <= 5, "two tokens: one step more than the first"


@contextmanager
def one_is_aside(session: Session) -> Iterator[tuple[Stepped, GenerationRequest, GenerationRequest]]:
    """Yield an engine of two slots with a request of three, of which one is set aside for the other request."""
    large, other = several(num=3), several(num=1, text="Why?")
    with stepped(session, capabilities=CHUNKED) as engine:
        engine.submit(large)
        engine.steps(12)
        engine.submit(other)
        engine.steps(2)
        assert len(engine.engine._scheduler.waiting.aside) == 1
        yield engine, large, other


def test_a_request_that_is_cancelled_while_it_is_set_aside_leaves_nothing() -> None:
    with one_is_aside(ReferenceSession(2, CONTEXT_LENGTH)) as (engine, large, other):
        engine.abort(large)
        assert engine.engine._scheduler.waiting.aside == []
        assert len(engine.engine._in_flight.generations) == 1
        engine.all_steps()

        assert engine.outputs(large) == []
        assert told(engine.outputs(other)) == told(alone(several(num=1, text="Why?")))
        assert engine.engine.num_queued == 0


def test_a_server_that_stops_tells_those_that_are_set_aside() -> None:
    with one_is_aside(ReferenceSession(2, CONTEXT_LENGTH)) as (engine, large, other):
        engine.engine.close()

        errors = [type(each.error) for each in (*engine.outputs(large), *engine.outputs(other))]
        assert errors == [EngineStopped] * 4


def test_a_device_that_is_lost_ends_those_that_are_set_aside() -> None:
    class Lost(ReferenceSession):
        def load(self, slot: int, state: State) -> None:
            raise DeviceLost("gone", recoverable=True)

    with one_is_aside(Lost(2, CONTEXT_LENGTH)) as (engine, large, other):
        engine.engine._recovery._reopen = lambda: ReferenceSession(2, CONTEXT_LENGTH)
        engine.abort(other)
        engine.steps(1)

        assert [type(each.error) for each in engine.outputs(large)] == [DeviceUnavailable] * 3
        assert engine.engine.num_queued == 0
        assert engine.engine._scheduler.waiting.aside == []


def alone(asked: GenerationRequest) -> list[SequenceOutput]:
    with stepped(ReferenceSession(2, CONTEXT_LENGTH), capabilities=CHUNKED) as engine:
        engine.submit(asked)
        engine.all_steps()
        return engine.outputs(asked)


def test_a_state_that_cannot_be_loaded_ends_its_own_sequence() -> None:
    class Forgetful(ReferenceSession):
        def load(self, slot: int, state: State) -> None:
            super().load(slot, state[: len(state) // 2])

    with one_is_aside(Forgetful(2, CONTEXT_LENGTH)) as (engine, large, other):
        engine.all_steps()
        outputs = engine.outputs(large)

    failed = [each for each in outputs if each.error is not None]
    assert [type(each.error) for each in failed] == [StepFailed]
    sound = alone(several(num=3))
    assert told([each for each in outputs if each.error is None]) == told(
        [each for each in sound if each.index != failed[0].index]
    )
    assert told(engine.outputs(other)) == told(alone(several(num=1, text="Why?")))


def test_who_cannot_be_saved_goes_on_and_the_other_waits(caplog: pytest.LogCaptureFixture) -> None:
    class Full(ReferenceSession):
        def save(self, slot: int) -> State:
            raise OutOfMemory("no room for a copy")

    large, other = several(num=3), several(num=1, text="Why?")
    with stepped(Full(2, CONTEXT_LENGTH), capabilities=CHUNKED) as engine:
        engine.submit(large)
        engine.steps(12)
        engine.submit(other)
        engine.all_steps()

    assert told(engine.outputs(large)) == told(alone(several(num=3)))
    assert told(engine.outputs(other)) == told(alone(several(num=1, text="Why?")))
    messages = [record.message for record in caplog.records if "set aside" in record.message]
    assert messages
    assert len(messages) <= 3, "each is asked once"


@pytest.mark.parametrize("without", ["capability", "key"])
def test_a_backend_that_cannot_save_is_not_asked_to(without: str) -> None:
    session = ReferenceSession(2, CONTEXT_LENGTH)
    if without == "key":
        session.info = replace(session.info, state_key=None)
    session.save = session.load = None  # type: ignore[assignment,method-assign]
    capabilities = CHUNKED - {Capability.STATE} if without == "capability" else CHUNKED
    large, other = several(num=3), several(num=1, text="Why?")

    with stepped(session, capabilities=capabilities) as engine:
        engine.submit(large)
        engine.steps(12)
        engine.submit(other)
        engine.all_steps()

    assert engine.first_at[id(other.sink)] < engine.num_steps
    assert told(engine.outputs(large)) == told(alone(several(num=3)))


def test_a_saved_slot_is_what_the_slot_holds_and_no_more() -> None:
    """A step that failed after it was counted leaves a slot longer than its sequence."""
    session = ReferenceSession(2, CONTEXT_LENGTH)
    with one_is_aside(session) as (engine, _, _):
        (aside,) = engine.engine._scheduler.waiting.aside
        assert aside.saved is not None
        session.load(1, aside.saved.state)

        assert session.length(1) == aside.num_computed
        assert np.array_equal(aside.saved.cached, aside.prompt[: len(aside.saved.cached)])
