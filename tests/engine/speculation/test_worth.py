"""A step has drafts only if each of its streams may gain by them, by what calls take."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from jan_ort.engine.generation import GenerationRequest
from jan_ort.engine.speculation.call_times import CallTimes
from jan_ort.sampling.params import SamplingParams
from jan_ort_backends import Capability
from tests.engine.running import ALL, CHUNKED, HeldSession, ask, encode
from tests.engine.speculation.drafting import KnowingDrafter, Known
from tests.engine.stepping import stepped

PARAMS = SamplingParams(24, seed=1, min_tokens=24)


def calls_take(monkeypatch: pytest.MonkeyPatch, slope: float) -> None:
    """Let a call take 1 s, and ``slope`` for each token beyond the first."""
    monkeypatch.setattr(CallTimes, "of", lambda self, rows, tokens: 1 + slope * (tokens - 1))


def answer_to(text: str) -> Known:
    asked = ask(text, PARAMS)
    with stepped(HeldSession(1)) as engine:
        engine.submit(asked)
        engine.all_steps()
        return encode(text), engine.outputs(asked)[0].token_ids


def drafted_of(
    *texts: str, knows: Collection[str], wrong: float = 0.0, capabilities: Collection[Capability] = CHUNKED
) -> list[int]:
    """Return how many tokens were drafted in each of the steps after the prompts'."""
    drafter = KnowingDrafter([answer_to(text) for text in knows], wrong=wrong)
    session = HeldSession(len(texts))
    asked: list[GenerationRequest] = [ask(text, PARAMS) for text in texts]
    with stepped(session, capabilities=capabilities, drafter=drafter) as engine:
        engine.submit(*asked)
        engine.all_steps()
    return [num - 1 for batch in session.batches[1:] for _, num in batch]


def test_nothing_is_drafted_before_a_step_without_was_timed() -> None:
    assert drafted_of("The river", knows=["The river"])[0] == 0


def test_what_costs_less_than_it_gains_is_drafted(monkeypatch: pytest.MonkeyPatch) -> None:
    calls_take(monkeypatch, 0.2)

    assert drafted_of("The river", knows=["The river"])[:3] == [5, 5, 5]


def test_what_costs_as_much_as_it_may_gain_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    calls_take(monkeypatch, 1.0)

    assert not any(drafted_of("The river", knows=["The river"]))


def test_a_draft_is_shortened_to_what_may_be_lost_and_wrong_ones_end(monkeypatch: pytest.MonkeyPatch) -> None:
    calls_take(monkeypatch, 0.5)
    drafted = drafted_of("The river", knows=["The river"], wrong=1.0)

    assert drafted[:3] == [2, 2, 0]  # 5 could lose 2.5 steps
    assert 0.5 * sum(drafted) <= 2 + 0.01 * 24


@pytest.mark.parametrize("knows", [["The river"], ["The river", "Why?"]])
def test_no_stream_pays_for_anothers_draft(monkeypatch: pytest.MonkeyPatch, knows: list[str]) -> None:
    calls_take(monkeypatch, 0.2)

    assert any(drafted_of("The river", "Why?", knows=knows)) == (len(knows) == 2)


@pytest.mark.parametrize(("slope", "is_drafted"), [(0.0, True), (0.2, False)])
def test_where_rows_mix_another_stream_bears_what_hardly_shows(
    slope: float, is_drafted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls_take(monkeypatch, slope)

    assert any(drafted_of("The river", "Why?", knows=["The river"], capabilities=ALL)) == is_drafted


def test_nobody_looks_for_drafts_that_a_stream_cannot_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    calls_take(monkeypatch, 0.5)
    drafter = KnowingDrafter([answer_to("The river")], wrong=1.0)
    with stepped(HeldSession(1), drafter=drafter) as engine:
        engine.submit(ask("The river", PARAMS))
        engine.all_steps()

    assert drafter.num_asked <= 5  # of 23 steps after the first
