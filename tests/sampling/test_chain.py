"""The sampler: with the backend's largest logits = without, in company = alone, and as the twin's distribution says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jan_ort.sampling.chain import Sampler
from jan_ort.sampling.params import SamplingParams
from jan_ort.sampling.state import SamplerState
from jan_ort_backends import NUM_TOP_LOGITS, BackendError
from tests.sampling import twin

VOCAB_SIZE = 150
EOS = (3, 77)

Top = tuple[NDArray[np.float32], NDArray[np.int64]]

params_strategy = st.builds(
    SamplingParams,
    max_tokens=st.just(9),
    min_tokens=st.integers(0, 2),
    temperature=st.sampled_from([0.0, 1e-300, 0.01, 0.8, 1.0, 5.0, 1e300]),
    top_k=st.sampled_from([0, 1, 2, 5, 40, 63, 64, 65, 100, VOCAB_SIZE - 1, VOCAB_SIZE]),
    top_p=st.sampled_from([0.0, 0.1, 0.5, 0.95, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    repeat_penalty=st.sampled_from([0.0, 0.5, 1.0, 1.1, 3.0, 1e300]),
    presence_penalty=st.sampled_from([-2.0, 0.0, 0.5, 2.0]),
    frequency_penalty=st.sampled_from([-0.5, 0.0, 0.25, 2.0]),
    logit_bias=st.dictionaries(
        st.integers(0, VOCAB_SIZE - 1), st.sampled_from([-100.0, -1.5, -1e308, 0.0, 2.0, 1e308]), max_size=4
    ).map(lambda bias: tuple(bias.items())),
    mirostat_mode=st.sampled_from([0, 0, 1, 2]),
    mirostat_tau=st.sampled_from([0.0, 0.5, 3.0, 10.0]),
    mirostat_eta=st.sampled_from([0.001, 0.1, 1.0]),
    seed=st.sampled_from([0, 1, -1, 2**70, 10**300]),
)
shares_allowed = st.sampled_from([None, 0.02, 0.5, 0.98])
"""The share of the vocabulary that a grammar allows; None is no grammar."""


def make_logits(seed: int, rows: int, *, levels: int = 0) -> NDArray[np.float32]:
    """Return random logits; with ``levels`` they are that many different values, so that many tie."""
    rng = np.random.default_rng(seed)
    shape = (rows, VOCAB_SIZE)
    values = rng.integers(-levels, levels, shape) / 4 if levels else 3 * rng.standard_normal(shape)
    return values.astype(np.float32)


def top_of(logits: NDArray[np.float32], width: int = NUM_TOP_LOGITS) -> Top:
    token_ids = np.array([twin.ranked(row.tolist())[:width] for row in logits], dtype=np.int64)
    return np.take_along_axis(logits, token_ids, axis=-1), token_ids


def make_state(
    params: SamplingParams, seed: int, num_generated: int = 0, *, share_allowed: float | None = None
) -> SamplerState:
    rng = np.random.default_rng(seed)
    state = SamplerState(params, rng.integers(0, VOCAB_SIZE, 1 + seed % 90))
    if share_allowed is not None:
        state.allowed = rng.random(VOCAB_SIZE) < share_allowed
        state.allowed[EOS[0]] = True  # a grammar allows something
    for token_id in range(num_generated):
        state.accept(token_id)
    return state


@settings(max_examples=150)
@given(
    params=st.lists(params_strategy, min_size=1, max_size=8),
    seed=st.integers(0, 999),
    levels=st.integers(0, 3),
    share=shares_allowed,
)
def test_sampling_from_the_largest_logits_equals_sampling_from_whole_rows(
    params: list[SamplingParams], seed: int, levels: int, share: float | None
) -> None:
    logits = make_logits(seed, len(params), levels=levels)
    from_top, from_rows = (
        [make_state(p, seed + at, at % 3, share_allowed=share) for at, p in enumerate(params)] for _ in range(2)
    )

    fast = Sampler(EOS).sample(logits, from_top, *top_of(logits))

    assert fast == Sampler(EOS).sample(logits, from_rows)


@settings(max_examples=60)
@given(params=st.lists(params_strategy, min_size=8, max_size=8), seed=st.integers(0, 999))
def test_a_row_in_company_gets_the_token_it_gets_alone(params: list[SamplingParams], seed: int) -> None:
    logits = make_logits(seed, 8)
    top_logits, top_token_ids = top_of(logits)
    states = [make_state(p, seed + at) for at, p in enumerate(params)]

    together = Sampler(EOS).sample(logits, states, top_logits, top_token_ids)

    alone = [
        Sampler(EOS).sample(logits[[at]], [make_state(p, seed + at)], top_logits[[at]], top_token_ids[[at]])[0]
        for at, p in enumerate(params)
    ]
    assert together == alone


@settings(max_examples=150)
@given(params=params_strategy, seed=st.integers(0, 999), share=shares_allowed, mu=st.floats(-5, 30))
def test_every_token_is_one_that_the_twin_allows(
    params: SamplingParams, seed: int, share: float | None, mu: float
) -> None:
    logits = make_logits(seed, 1)
    state = make_state(params, seed, share_allowed=share)
    state.mu = mu
    allowed = None if state.allowed is None else set(np.flatnonzero(state.allowed).tolist())

    (token_id,) = Sampler(()).sample(logits, [state], *top_of(logits))

    assert twin.distribution(logits[0].tolist(), state.window, params, allowed, mu).get(token_id, 0.0) > 0.0


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(1, seed=5),
        SamplingParams(1, seed=6, temperature=2.0, top_k=0, top_p=1.0, min_p=0.0),
        SamplingParams(1, seed=7, temperature=1.5, top_k=10, top_p=0.6, min_p=0.0, repeat_penalty=0.7),
        SamplingParams(1, seed=8, temperature=3.0, top_k=0, top_p=1.0, min_p=0.1, presence_penalty=1.5),
        SamplingParams(1, seed=9, temperature=2.0, top_k=0, top_p=0.7, min_p=0.0, logit_bias=((7, 3.0), (9, -1.0))),
        SamplingParams(1, seed=10, temperature=1.5, mirostat_mode=1, mirostat_eta=1e-12),
        SamplingParams(1, seed=11, temperature=1.5, mirostat_mode=2, mirostat_eta=1e-12, mirostat_tau=2.0),
    ],
)
def test_draws_follow_the_twins_distribution(params: SamplingParams) -> None:
    num_draws = 8000
    logits = np.repeat(make_logits(11, 1), num_draws, axis=0)
    shared = make_state(params, 80)
    states = [shared] * num_draws  # one generator, so that the draws are independent

    drawn = np.bincount(Sampler(()).sample(logits, states, *_repeated_top(logits)), minlength=VOCAB_SIZE)

    expected = np.zeros(VOCAB_SIZE)
    mu = 2 * params.mirostat_tau  # which an eta of next to nothing leaves where it begins
    for token_id, prob in twin.distribution(logits[0].tolist(), shared.window, params, mu=mu).items():
        expected[token_id] = prob * num_draws
    assert not drawn[expected == 0].any()
    chi_square = ((drawn - expected)[expected > 0] ** 2 / expected[expected > 0]).sum()
    degrees = np.count_nonzero(expected) - 1
    assert chi_square < degrees + 5 * np.sqrt(2 * degrees)  # five standard deviations


def _repeated_top(logits: NDArray[np.float32]) -> Top:
    top_logits, top_token_ids = top_of(logits[:1])
    return np.repeat(top_logits, len(logits), axis=0), np.repeat(top_token_ids, len(logits), axis=0)


@given(params=params_strategy, seed=st.integers(0, 999))
def test_temperature_0_is_the_largest_logit_after_the_penalties(params: SamplingParams, seed: int) -> None:
    fields = {name: getattr(params, name) for name in SamplingParams.__slots__}
    greedy = SamplingParams(**fields | {"temperature": 0.0, "min_tokens": 0})
    logits = make_logits(seed, 1, levels=2)
    state = make_state(greedy, seed)

    (token_id,) = Sampler(EOS).sample(logits, [state], *top_of(logits))

    values = twin.adjusted(logits[0].tolist(), state.window, greedy)
    assert token_id == twin.ranked(values)[0]


@pytest.mark.parametrize(("num_generated", "expected"), [(0, 5), (1, 5), (2, 77)])
def test_the_end_of_the_text_cannot_come_before_min_tokens(num_generated: int, expected: int) -> None:
    logits = np.zeros((1, VOCAB_SIZE), dtype=np.float32)
    logits[0, [5, 77]] = 1.0, 9.0
    params = SamplingParams(9, temperature=0.0, min_tokens=2, repeat_penalty=1.0)

    (token_id,) = Sampler(EOS).sample(logits, [make_state(params, 0, num_generated)], *top_of(logits))

    assert token_id == expected


@pytest.mark.parametrize("min_tokens", [0, 5])
@pytest.mark.parametrize("presence_penalty", [0.0, 20.0])
def test_the_last_of_top_k_candidates_is_the_same_from_the_largest_logits(
    min_tokens: int, presence_penalty: float
) -> None:
    fields = {"min_tokens": min_tokens, "presence_penalty": presence_penalty, "repeat_penalty": 1.0}
    flat = {"temperature": 1e300, "top_k": 64, "top_p": 1.0, "min_p": 0.0}  # every candidate is as likely
    logits = np.repeat(make_logits(1, 1), 300, axis=0)
    logits[:, EOS] = 20.0
    from_top, from_rows = (
        [make_state(SamplingParams(9, seed=at, **fields, **flat), 30) for at in range(300)]  # type: ignore[arg-type]
        for _ in range(2)
    )

    fast = Sampler(EOS).sample(logits, from_top, *_repeated_top(logits))

    assert fast == Sampler(EOS).sample(logits, from_rows)
    assert len(set(fast)) > 60


@pytest.mark.parametrize("num_top", [1, 63, 65, VOCAB_SIZE])
def test_a_backend_may_find_any_number_of_largest_logits(num_top: int) -> None:
    logits = make_logits(6, 4)
    params = [SamplingParams(9, seed=at, top_k=40 * (at % 2)) for at in range(4)]

    from_top = Sampler(EOS).sample(logits, [make_state(each, 1) for each in params], *top_of(logits, num_top))

    assert from_top == Sampler(EOS).sample(logits, [make_state(each, 1) for each in params])


def test_min_tokens_works_without_any_end_of_text_token() -> None:
    logits = make_logits(1, 1)

    (token_id,) = Sampler(()).sample(logits, [make_state(SamplingParams(9, min_tokens=3, temperature=0.0), 0)])

    assert 0 <= token_id < VOCAB_SIZE


def test_the_logits_are_left_as_they_are() -> None:
    logits = make_logits(2, 2)
    before = logits.tobytes()
    params = SamplingParams(9, min_tokens=3, top_k=0)

    Sampler(EOS).sample(logits, [make_state(params, 1), make_state(params, 2)])

    assert logits.tobytes() == before


def test_a_state_draws_one_number_a_token_whatever_path_it_takes() -> None:
    logits = make_logits(3, 2)
    fast, slow = (make_state(SamplingParams(9, seed=4, top_k=k), 1) for k in (40, 0))

    Sampler(EOS).sample(logits, [fast, slow], *top_of(logits))

    assert fast.rng.random() == slow.rng.random()


@pytest.mark.parametrize("mode", [1, 2])
def test_mirostat_keeps_the_surprise_near_its_target(mode: int) -> None:
    params = SamplingParams(9, seed=1, mirostat_mode=mode, mirostat_tau=2.5, temperature=2.0, repeat_penalty=1.0)
    state = make_state(params, 1)
    logits = make_logits(4, 1)
    surprises = []

    for _ in range(400):
        before = state.mu
        Sampler(()).sample(logits, [state])
        surprises.append(2.5 + (before - state.mu) / params.mirostat_eta)

    assert np.mean(surprises[100:]) == pytest.approx(2.5, abs=0.05)


def test_a_grammar_that_allows_the_end_only_overrules_min_tokens() -> None:
    state = make_state(SamplingParams(9, min_tokens=5), 0)
    state.allowed = np.zeros(VOCAB_SIZE, dtype=np.bool_)
    state.allowed[EOS[1]] = True

    (token_id,) = Sampler(EOS).sample(make_logits(1, 1), [state], *top_of(make_logits(1, 1)))

    assert token_id == EOS[1]


def test_a_nan_beside_the_largest_logits_is_found_where_the_whole_row_is_looked_at() -> None:
    logits = np.arange(VOCAB_SIZE, dtype=np.float32)[None].copy()
    token_ids = np.argsort(-logits, axis=1)[:, :64]
    top_logits = np.take_along_axis(logits, token_ids, axis=1)
    logits[0, 0] = np.nan
    few, all_of_them = (SamplerState(SamplingParams(max_tokens=1, top_k=k), np.zeros(0, np.int64)) for k in (40, 0))

    (token_id,) = Sampler(EOS).sample(logits, [few], top_logits, token_ids)
    assert isinstance(token_id, int)
    assert token_id > 100
    (error,) = Sampler(EOS).sample(logits, [all_of_them], top_logits, token_ids)
    assert isinstance(error, BackendError)
    assert "not finite" in str(error)


def test_a_row_with_a_nan_leaves_the_others_as_they_are() -> None:
    logits = make_logits(5, 4)
    params = [SamplingParams(9, seed=at, top_k=40 * (at % 2)) for at in range(4)]
    sound = Sampler(EOS).sample(logits, [make_state(each, 1) for each in params])

    logits[2, 7] = np.nan
    drawn = Sampler(EOS).sample(logits, [make_state(each, 1) for each in params])

    assert isinstance(drawn[2], BackendError)
    assert drawn[:2] + drawn[3:] == sound[:2] + sound[3:]
