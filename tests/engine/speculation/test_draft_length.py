"""How long a model's drafts are: by what guessing and checking take, what was right so far, and what may be lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.engine.sequence import TokenSequence
from jan_ort.engine.speculation.confidence import Confidence
from jan_ort.engine.speculation.draft_model import DraftModel
from jan_ort.engine.speculation.draft_slots import DraftSlots, num_common
from jan_ort.engine.speculation.drafter import StepPrices, Wanted
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from tests.engine.running import HeldSession, encode

TOKENS = st.lists(st.integers(0, 2), max_size=12)


def sequence(text: str, *tail: int, scope: str = "") -> TokenSequence:
    made = TokenSequence(encode(text), scope=scope)
    made.num_computed = made.num_prompt_tokens
    for token_id in tail:
        made.append(token_id)
    return made


def length_of(*, slope: float, may_lose: float = 9.0, drafting: float = 0.1, mean: float = 0.9) -> int:
    """Return how long a draft is to be where each token adds ``slope`` steps to check and ``drafting`` to guess."""
    drafter = DraftModel(HeldSession(1), vocab_size=512, eos_token_ids=[], mixed=True)
    drafter._times.note(1, 1, drafting)
    drafter._confidence.mean = mean
    return drafter._plan(1, 15, StepPrices(1.0, lambda num: 1 + slope * num, lambda: may_lose)).num


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ({"slope": 0.1}, 7),
        ({"slope": 0.1, "mean": 0.99}, 15),
        ({"slope": 0.1, "mean": 0.3}, 1),
        ({"slope": 0.1, "may_lose": 0.7}, 3),
        ({"slope": 0.1, "may_lose": 0.1}, 0),
        ({"slope": 0.5, "drafting": 0.5}, 0),  # all of it right would be no faster
        ({"slope": float("inf")}, 0),
    ],
)
def test_a_draft_is_as_long_as_promises_most(prices: dict[str, float], expected: int) -> None:
    assert length_of(**prices) == expected


def test_a_models_pace_is_known_before_it_guesses_and_its_slots_are_as_they_were() -> None:
    session = HeldSession(2)
    drafter = DraftModel(session, vocab_size=512, eos_token_ids=[], mixed=True)
    drafter.measure()

    assert (drafter._times.of(1, 1) or 0) > 0
    assert session.lengths == [0, 0]


def test_nothing_is_computed_where_nothing_can_be_gained() -> None:
    session, text = HeldSession(1), sequence("The river", 5)
    drafter = DraftModel(session, vocab_size=512, eos_token_ids=[], mixed=True)
    wanted = Wanted(text, SamplerState(SamplingParams(9), text.prompt), 9)

    assert drafter.drafts([wanted], StepPrices(1.0, lambda num: 1.0 + num, lambda: 2.0)) == [()]
    assert not session.batches


def test_a_drafters_draws_leave_the_sequences_own_as_they_are() -> None:
    session, text = HeldSession(1), sequence("The river", 5)
    drafter = DraftModel(session, vocab_size=512, eos_token_ids=[], mixed=True)
    sampler, twin = (SamplerState(SamplingParams(9, seed=3, repeat_penalty=1.3), text.prompt) for _ in range(2))

    (draft,) = drafter.drafts([Wanted(text, sampler, 9)], StepPrices(1.0, lambda num: 1.0, lambda: 9.0))

    assert draft
    assert (sampler.window, sampler.penalised, sampler.num_generated) == (twin.window, twin.penalised, 0)
    assert sampler.rng.random() == twin.rng.random()


def test_a_probability_means_what_has_become_of_such_guesses() -> None:
    confidence = Confidence()
    before = confidence.chance(0.9), confidence.chance(0.1)
    for _ in range(60):
        confidence.note(0.95, is_taken=False)
        confidence.note(0.05, is_taken=True)

    assert before[0] > 0.8 > 0.2 > before[1]
    assert confidence.chance(0.9) < 0.1 < 0.9 < confidence.chance(0.1)
    assert confidence.chance(1.0) == confidence.chance(0.9)
    assert confidence.mean == pytest.approx(0.5, abs=0.1)


@given(TOKENS, TOKENS)
def test_what_is_common_is_the_longest_beginning_of_both(tokens: list[int], others: list[int]) -> None:
    num = num_common(tokens, others)

    assert tokens[:num] == others[:num]
    assert num == min(len(tokens), len(others)) or tokens[num] != others[num]


def test_a_slot_is_found_by_its_tokens_within_a_scope_only() -> None:
    session = HeldSession(2)
    slots = DraftSlots(session)
    first = sequence("The river runs", 5, scope="a")
    slot = slots.take(first, ())
    slot.tokens = first.since(0)
    session.lengths[slot.index] = slot.num_true = len(slot.tokens)
    slots.end(first)

    other = slots.take(sequence("The river runs", 6, scope="b"), ())
    same = slots.take(sequence("The river runs", 7, scope="a"), ())

    assert (other.index == slot.index, other.num_true) == (False, 0)
    assert (same.index, same.num_true) == (slot.index, len(encode("The river runs")))


def test_of_slots_that_are_all_taken_the_one_that_rested_longest_is_given_and_no_present_one() -> None:
    slots, texts = DraftSlots(HeldSession(2)), [sequence("a", at) for at in range(4)]
    taken = [slots.take(text, ()).index for text in texts[:2]]

    assert slots.take(texts[2], {texts[0].id, texts[2].id}).index == taken[1]
    assert slots.take(texts[3], {texts[2].id, texts[3].id}).index == taken[0]
