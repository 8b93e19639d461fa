"""A draft model changes no token: the same one, another one, one that fails; and it reads no more than it must."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest

from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.speculation.draft_model import CHUNK, DraftModel
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import BackendError, Capability, OpenOptions, Session, SlotTokens, StepOutput
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import EOS_TOKEN_ID, FOLDER
from tests.engine.running import ALL, CHUNKED, CONTEXT_LENGTH, HeldSession, ask, encode, log_softmax_rows, request
from tests.engine.speculation.drafting import always_worth_it
from tests.engine.speculation.test_speculation import SAMPLED, Told, asked_of
from tests.engine.stepping import Stepped, stepped
from tests.engine.test_set_aside import LONG, told

UNFORCED = [kind for kind, (_, grammar) in SAMPLED.items() if grammar is None]


class Similar(HeldSession):
    """Another model: its logits are the reference's with some that are higher and some that are lower."""

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        output = super().step(batch)
        logits = output.logits + np.float32(1.5) * np.sin(np.arange(output.logits.shape[1], dtype=np.float32) ** 2)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :64]
        return StepOutput(logits, np.take_along_axis(logits, order, axis=1), order)


@pytest.fixture(autouse=True)
def every_draft_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    always_worth_it(monkeypatch)


def draft_model(session: Session, capabilities: Collection[Capability] = ALL, vocab_size: int = 512) -> DraftModel:
    mixed = Capability.MIXED_BATCH in capabilities
    return DraftModel(session, vocab_size=vocab_size, eos_token_ids=[EOS_TOKEN_ID], mixed=mixed)


def answers_of(
    asked: GenerationRequest, drafter: DraftModel | None = None, capabilities: Collection[Capability] = ALL
) -> tuple[Told, Stepped]:
    with stepped(ReferenceSession(8, CONTEXT_LENGTH), capabilities=capabilities, drafter=drafter) as engine:
        engine.submit(asked)
        engine.all_steps()
    return told(engine.outputs(asked)), engine


def accepted(engine: Stepped) -> tuple[int, int]:
    """Return how many tokens were accepted, and how many drafted."""
    statistics = engine.engine.statistics
    return sum(statistics.num_accepted_at.values()), statistics.num_draft_tokens


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
@pytest.mark.parametrize("kind_of_model", [ReferenceSession, Similar])
@pytest.mark.parametrize("kind", SAMPLED)
def test_no_draft_model_changes_what_is_said(
    kind: str, kind_of_model: type[ReferenceSession], capabilities: Collection[Capability]
) -> None:
    asked = asked_of(kind, 3 if SAMPLED[kind][1] is None else 1)
    answers, plain = answers_of(asked, None, capabilities)
    session = HeldSession(8) if kind_of_model is ReferenceSession else Similar(8)

    drafted, engine = answers_of(asked, draft_model(session, capabilities), capabilities)

    assert drafted == answers
    num_accepted, num_drafted = accepted(engine)
    assert num_drafted or kind in ("grammar", "grammar with logprobs", "date")
    assert num_accepted <= num_drafted
    assert engine.num_steps <= plain.num_steps
    assert session.num_closed == 1


@pytest.mark.parametrize("kind", UNFORCED)
def test_what_the_same_model_drafts_is_taken_but_for_what_comes_after_the_end(kind: str) -> None:
    _, engine = answers_of(asked_of(kind, 1), draft_model(ReferenceSession(8, CONTEXT_LENGTH)))

    num_accepted, num_drafted = accepted(engine)
    assert num_drafted > 0
    assert num_drafted - num_accepted <= 5


def test_a_similar_model_is_right_now_and_then() -> None:
    _, engine = answers_of(asked_of("plain", 4), draft_model(Similar(8)))

    num_accepted, num_drafted = accepted(engine)
    assert 0.05 * num_drafted < num_accepted < 0.95 * num_drafted


def test_tokens_have_the_distribution_of_the_model_that_is_served() -> None:
    """The second token after the likeliest first one, against its probabilities: chi-squared, 1 in 10,000."""
    params = SamplingParams(4, temperature=1.0, top_k=4, top_p=1.0, min_p=0.0, repeat_penalty=1.0, min_tokens=4)
    prompt = encode("The river runs")
    begun = int(np.argmax(log_softmax_rows(prompt)[-1]))
    logprobs = log_softmax_rows(np.append(prompt, begun))[-1]
    following = np.argsort(-logprobs, kind="stable")[:4]
    asked = request(*(Prompt(prompt, at, params, choice=at) for at in range(1500)))

    answers, engine = answers_of(asked, draft_model(Similar(8)))

    seconds = [answer[1][1] for answer in answers if answer[1][0] == begun]
    expected = np.exp(logprobs[following]) / np.exp(logprobs[following]).sum() * len(seconds)
    observed = np.array([seconds.count(int(token)) for token in following])
    num_accepted, num_drafted = accepted(engine)
    assert len(seconds) > 300
    assert observed.sum() == len(seconds)
    assert 0 < num_accepted < num_drafted
    assert ((observed - expected) ** 2 / expected).sum() < 21.1  # of three degrees of freedom


def test_a_prompt_is_read_in_chunks_between_steps_and_the_next_turn_goes_on_from_there() -> None:
    params = SamplingParams(6, seed=1, min_tokens=6)
    session = HeldSession(2)
    with stepped(ReferenceSession(2, CONTEXT_LENGTH), drafter=draft_model(session)) as engine:
        first = ask(LONG + LONG, params)
        engine.submit(first)
        engine.all_steps()
        num_read = len(session.batches)
        engine.submit(ask(LONG + LONG + engine.outputs(first)[0].text + " And then?", params))
        engine.all_steps()

    read = [num for batch in session.batches[:num_read] for _, num in batch if num > 2]
    again = [num for batch in session.batches[num_read:] for _, num in batch]
    assert len(encode(LONG + LONG)) > CHUNK == read[0] == max(read)
    assert max(again) < 30


def test_nothing_is_read_twice_and_no_token_is_computed_for_nothing() -> None:
    session = HeldSession(1)
    with stepped(ReferenceSession(1, CONTEXT_LENGTH), drafter=draft_model(session)) as engine:
        engine.submit(ask("Why", SamplingParams(30, seed=1, min_tokens=30)))
        engine.all_steps()

    num_computed = sum(num for batch in session.batches for _, num in batch)
    assert num_computed <= len(encode("Why")) + 30


@pytest.mark.parametrize("every", [1, 3])
def test_sequences_that_are_set_aside_go_on_with_drafts(every: int) -> None:
    asked = asked_of("plain", 3)
    answers, _ = answers_of(asked)
    with stepped(
        ReferenceSession(3, CONTEXT_LENGTH), drafter=draft_model(ReferenceSession(3, CONTEXT_LENGTH))
    ) as engine:
        engine.submit(asked)
        for number in range(6):
            engine.steps(every)
            engine.submit(ask(f"Why {number}?", SamplingParams(2, seed=1, min_tokens=2)))
        engine.all_steps()

    assert engine.engine.statistics.num_set_aside
    assert accepted(engine)[0]
    assert told(engine.outputs(asked)) == answers


def test_what_a_draft_model_raises_ends_the_drafts_alone(caplog: pytest.LogCaptureFixture) -> None:
    asked = asked_of("plain", 2)
    answers, _ = answers_of(asked)
    session = HeldSession(8)

    def fail(batch: Sequence[SlotTokens]) -> BaseException | None:
        return BackendError("no room") if len(session.batches) > 3 else None

    session.fails = fail
    with caplog.at_level(logging.ERROR):
        drafted, engine = answers_of(asked, draft_model(session))

    assert drafted == answers
    assert len(session.batches) == 4
    assert accepted(engine)[1]
    assert caplog.text.count("nothing is drafted until the model is loaded again: no room") == 1


def test_a_text_that_the_draft_model_has_no_room_for_is_not_drafted() -> None:
    asked = ask("The river runs", SamplingParams(60, seed=1, min_tokens=60))
    answers, _ = answers_of(asked)
    session = ReferenceSession(8, 40)

    drafted, engine = answers_of(asked, draft_model(session))

    assert drafted == answers
    assert 0 < accepted(engine)[1] < 40
    assert max(session.lengths) <= 40


def test_a_draft_model_of_fewer_tokens_drafts_these_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asked_of("plain", 2)
    answers, _ = answers_of(asked)

    drafter, said = draft_model(ReferenceSession(8, CONTEXT_LENGTH), vocab_size=440), []
    ask_drafter = drafter.drafts
    monkeypatch.setattr(drafter, "drafts", lambda *asked: said.extend(ask_drafter(*asked)) or said[-2:])

    drafted, _ = answers_of(asked, drafter)

    assert drafted == answers
    assert max(token for answer in answers for token in answer[1]) > 440 > max(map(max, filter(None, said)))


def test_an_isolated_draft_model_drafts_and_its_end_ends_the_drafts_alone() -> None:
    asked = asked_of("logprobs", 2)
    answers, _ = answers_of(asked)
    session: Any = open_isolated(ReferenceBackend(), FOLDER, OpenOptions(num_slots=4))

    with stepped(ReferenceSession(8, CONTEXT_LENGTH), drafter=draft_model(session)) as engine:
        engine.submit(asked)
        engine.steps(4)
        before = accepted(engine)
        session.kill()
        engine.all_steps()

    assert told(engine.outputs(asked)) == answers
    assert before[0]


def test_whoever_closes_the_engine_is_told_that_the_draft_model_is_closed() -> None:
    closed: list[bool] = []
    session = HeldSession(1)
    drafter = DraftModel(
        session, vocab_size=512, eos_token_ids=[], mixed=True, closed=lambda: closed.append(session.num_closed == 1)
    )
    with stepped(ReferenceSession(1, CONTEXT_LENGTH), drafter=drafter):
        pass

    assert closed == [True]
