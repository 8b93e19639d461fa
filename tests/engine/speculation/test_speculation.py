"""Drafts change no token: whatever is drafted, for whom, and however the sequence ends."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pytest

from jan_ort.engine.engine_errors import StepFailed
from jan_ort.engine.generation import GenerationRequest, Prompt
from jan_ort.engine.speculation.ngram import NgramDrafter
from jan_ort.plugins.isolation.isolated_session import open_isolated
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import BackendError, Capability, OpenOptions, Session, SlotTokens
from jan_ort_backends.reference import ReferenceBackend, ReferenceSession
from jan_ort_backends.reference_tokenizer import FOLDER
from tests.engine.running import ALL, CHUNKED, CONTEXT_LENGTH, HeldSession, ask, encode, log_softmax_rows, request
from tests.engine.speculation.drafting import KnowingDrafter, Known, always_worth_it
from tests.engine.stepping import Stepped, stepped
from tests.engine.test_engine_constraints import DATE
from tests.engine.test_set_aside import FORCING, KINDS, LONG, told

SAMPLED = KINDS | {
    "end of text": (SamplingParams(400, seed=6, temperature=1.2), None),
    "mirostat": (SamplingParams(30, seed=7, mirostat_mode=2), None),
    "date": (SamplingParams(40, seed=9, temperature=1.5), DATE),
    "repeating": (SamplingParams(40, seed=10, repeat_penalty=1.0, logit_bias=((65, 60.0), (66, 59.0))), None),
    "grammar with logprobs": (SamplingParams(40, seed=8, temperature=1.5, logprobs=2), FORCING),
}
Told = list[tuple[Any, ...]]


@pytest.fixture(autouse=True)
def every_draft_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    always_worth_it(monkeypatch)


def asked_of(kind: str, num: int, *, stream: bool = False) -> GenerationRequest:
    params, grammar = SAMPLED[kind]
    prompt = encode(LONG)
    return request(*(Prompt(prompt, at, params, choice=at, grammar=grammar) for at in range(num)), stream=stream)


def answers_of(
    asked: GenerationRequest, drafter: Any = None, capabilities: Collection[Capability] = ALL, *, num_slots: int = 8
) -> tuple[Told, Stepped]:
    """Return what a request says in the end, and the engine that has said it."""
    with stepped(ReferenceSession(num_slots, CONTEXT_LENGTH), capabilities=capabilities, drafter=drafter) as engine:
        engine.submit(asked)
        engine.all_steps()
    return told(engine.outputs(asked)), engine


def known_of(asked: GenerationRequest, answers: Told) -> list[Known]:
    return [(prompt.token_ids, answer[1]) for prompt, answer in zip(asked.prompts, answers, strict=True)]


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
@pytest.mark.parametrize("wrong", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("kind", SAMPLED)
def test_no_draft_changes_what_is_said(kind: str, wrong: float, capabilities: Collection[Capability]) -> None:
    num = 3 if SAMPLED[kind][1] is None else 1  # beside the chunk of another's forced tokens nobody drafts
    asked = asked_of(kind, num)
    answers, plain = answers_of(asked, None, capabilities)
    drafter = KnowingDrafter(known_of(asked, answers), wrong=wrong)

    drafted, engine = answers_of(asked, drafter, capabilities)

    assert drafted == answers
    assert drafter.num_ended == num
    assert drafter.judgements
    if wrong == 0.0 and kind != "grammar":  # there more is forced after each token than is drafted
        assert engine.num_steps < plain.num_steps
    if wrong == 1.0:
        assert not any(num_accepted for _, num_accepted in drafter.judgements)


def test_a_streams_events_joined_are_those_without_drafts() -> None:
    asked = asked_of("stop", 1, stream=True)
    plain, _ = answers_of(asked_of("stop", 1))
    with stepped(ReferenceSession(1, CONTEXT_LENGTH), drafter=KnowingDrafter(known_of(asked, plain))) as engine:
        engine.submit(asked)
        engine.all_steps()

    events = engine.events[id(asked.sink)]
    assert "".join(event.text for event in events) == plain[0][0]
    assert len(events) > 3


def test_a_right_draft_is_one_row_and_nothing_is_computed_beyond_the_limit() -> None:
    asked = ask(LONG, SamplingParams(12, seed=1, min_tokens=12))
    answers, _ = answers_of(asked)
    session = HeldSession(1)
    with stepped(session, drafter=KnowingDrafter(known_of(asked, answers))) as engine:
        engine.submit(asked)
        engine.all_steps()

    num_prompt = len(encode(LONG))
    assert session.batches == [[(0, num_prompt)], [(0, 6)], [(0, 5)]]
    assert engine.engine.statistics.num_draft_tokens == 9
    assert engine.engine.statistics.num_accepted_at == dict.fromkeys(range(4), 2) | {4: 1}


@pytest.mark.parametrize("capabilities", [ALL, CHUNKED], ids=["mixed", "chunked"])
def test_rows_with_drafts_are_calls_of_their_own_where_rows_do_not_mix(capabilities: Collection[Capability]) -> None:
    known, other = (
        ask(LONG, SamplingParams(9, seed=1, min_tokens=9)),
        ask("Why", SamplingParams(9, seed=2, min_tokens=9)),
    )
    answers, _ = answers_of(known)
    session = HeldSession(2)
    with stepped(session, capabilities=capabilities, drafter=KnowingDrafter(known_of(known, answers))) as engine:
        engine.submit(known, other)
        engine.all_steps()

    shapes = [[num for _, num in sorted(batch)] for batch in session.batches]
    assert ([6, 1] in shapes) == (capabilities is ALL)
    assert ([6] in shapes) == (capabilities is CHUNKED)
    assert told(engine.outputs(known)) == answers


def test_a_cached_prefix_is_the_same_with_and_without_drafts() -> None:
    asked = [ask(text, SamplingParams(9, seed=1, min_tokens=9)) for text in (LONG, LONG, LONG + " Then people walk")]
    plain = [answers_of(each)[0] for each in asked]
    drafter = KnowingDrafter([known_of(each, told)[0] for each, told in zip(asked, plain, strict=True)], wrong=0.3)
    with stepped(ReferenceSession(2, CONTEXT_LENGTH), drafter=drafter) as engine:
        for each in asked:
            engine.submit(each)
            engine.all_steps()

    outputs = [engine.outputs(each) for each in asked]
    num_prompt = len(encode(LONG))
    assert [output.num_cached_tokens for (output,) in outputs] == [0, num_prompt - 2, num_prompt]
    assert [told(each) for each in outputs] == plain


@pytest.mark.parametrize("kind", ["plain", "grammar", "logprobs"])
@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_sequence_that_is_set_aside_goes_on_with_drafts(kind: str, every: int) -> None:
    asked = asked_of(kind, 3)
    answers, _ = answers_of(asked)
    drafter = KnowingDrafter(known_of(asked, answers), length=2, wrong=0.3)
    with stepped(ReferenceSession(3, CONTEXT_LENGTH), capabilities=CHUNKED, drafter=drafter) as engine:
        engine.submit(asked)
        for number in range(6):
            engine.steps(every)
            engine.submit(ask(f"Why {number}?", SamplingParams(2, seed=1, min_tokens=2)))
        engine.all_steps()

    assert engine.engine.statistics.num_set_aside
    assert told(engine.outputs(asked)) == answers


def test_whoever_leaves_in_the_middle_of_drafts_changes_nobody() -> None:
    leaving, staying = asked_of("plain", 1), asked_of("penalties", 2)
    known = [pair for each in (leaving, staying) for pair in known_of(each, answers_of(each)[0])]
    expected, _ = answers_of(staying)
    with stepped(ReferenceSession(4, CONTEXT_LENGTH), capabilities=CHUNKED, drafter=KnowingDrafter(known)) as engine:
        engine.submit(leaving, staying)
        engine.steps(4)
        engine.abort(leaving)
        engine.all_steps()

    assert told(engine.outputs(staying)) == expected
    assert not engine.outputs(leaving)


def test_a_row_whose_draft_fails_ends_alone() -> None:
    asked, other = asked_of("plain", 1), ask("Why", SamplingParams(9, seed=2, min_tokens=9))
    known = [pair for each in (asked, other) for pair in known_of(each, answers_of(each)[0])]
    expected, _ = answers_of(other)
    session = HeldSession(2)

    def fail(batch: Sequence[SlotTokens]) -> BaseException | None:
        long = [row for row in batch if row.slot == 0 and len(row.token_ids) == 6]
        return BackendError("no room") if long else None

    session.fails = fail
    with stepped(session, drafter=KnowingDrafter(known)) as engine:
        engine.submit(asked, other)
        engine.all_steps()

    assert isinstance(engine.outputs(asked)[0].error, StepFailed)
    assert told(engine.outputs(other)) == expected


def test_a_slot_that_cannot_be_cut_after_a_wrong_draft_ends_its_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = ask("Why", SamplingParams(9, seed=2, min_tokens=9))
    known = known_of(asked, answers_of(asked)[0])
    session = ReferenceSession(1, CONTEXT_LENGTH)

    def refuse(slot: int, length: int) -> None:
        raise BackendError("it cannot be cut")

    with stepped(session, drafter=KnowingDrafter(known, wrong=1.0)) as engine:
        engine.submit(asked)
        engine.steps(1)
        monkeypatch.setattr(session, "truncate", refuse)
        engine.all_steps()

    assert isinstance(engine.outputs(asked)[0].error, StepFailed)


def test_an_isolated_session_verifies_drafts() -> None:
    asked = asked_of("logprobs", 2)
    answers, _ = answers_of(asked)
    drafter = KnowingDrafter(known_of(asked, answers), wrong=0.2)
    session: Session = open_isolated(ReferenceBackend(), FOLDER, OpenOptions(num_slots=2))
    with stepped(session, drafter=drafter) as engine:
        engine.submit(asked)
        engine.all_steps()

    assert told(engine.outputs(asked)) == answers
    assert any(num_accepted for _, num_accepted in drafter.judgements)


def test_what_prompt_lookup_drafts_changes_nothing() -> None:
    asked = asked_of("repeating", 3)
    answers, plain = answers_of(asked)

    drafted, engine = answers_of(asked, NgramDrafter())

    assert drafted == answers
    assert engine.engine.statistics.num_accepted_at[0]
    assert engine.num_steps < plain.num_steps


def test_tokens_of_drafts_have_the_distribution_of_the_model() -> None:
    """The second token after the likeliest first one, against its probabilities: chi-squared, 1 in 10,000."""
    params = SamplingParams(3, temperature=1.0, top_k=4, top_p=1.0, min_p=0.0, repeat_penalty=1.0, min_tokens=3)
    prompt = encode("The river runs")
    likeliest = lambda tokens: np.argsort(-log_softmax_rows(tokens)[-1], kind="stable")  # noqa: E731
    first = likeliest(prompt)[:4]
    following = {int(token): likeliest(np.append(prompt, token))[:4] for token in first}
    known = [(prompt, [int(token), int(seconds[0]), 5]) for token, seconds in following.items()]
    drafter = KnowingDrafter(known, length=2)
    asked = request(*(Prompt(prompt, at, params, choice=at) for at in range(1500)))
    answers, _ = answers_of(asked, drafter)

    begun = int(first[0])
    seconds = [answer[1][1] for answer in answers if answer[1][0] == begun]
    logprobs = log_softmax_rows(np.append(prompt, begun))[-1][following[begun]]
    expected = np.exp(logprobs) / np.exp(logprobs).sum() * len(seconds)
    observed = np.array([seconds.count(int(token)) for token in following[begun]])
    assert len(seconds) > 300
    assert observed.sum() == len(seconds)
    assert 0 < sum(num_accepted for _, num_accepted in drafter.judgements) < len(drafter.judgements)
    assert ((observed - expected) ** 2 / expected).sum() < 21.1  # of three degrees of freedom
