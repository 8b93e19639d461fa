"""A sequence's window of recent tokens and its random numbers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.sampling.params import PENALTY_WINDOW, SamplingParams
from jan_ort.sampling.state import SamplerState


def first_draws(seed: int | None, choice: int = 0) -> list[float]:
    state = SamplerState(SamplingParams(1, seed=seed), np.array([1]), choice=choice)
    return [state.rng.random() for _ in range(3)]


@given(num_prompt=st.integers(1, 150), num_generated=st.integers(0, 150))
def test_the_window_holds_the_last_tokens_of_prompt_and_text(num_prompt: int, num_generated: int) -> None:
    state = SamplerState(SamplingParams(1), np.arange(num_prompt))

    for token_id in range(num_prompt, num_prompt + num_generated):
        state.accept(token_id)

    recent = list(range(num_prompt + num_generated))[-PENALTY_WINDOW:]
    assert list(state.window) == recent


@given(prompt=st.lists(st.integers(0, 3), max_size=90), generated=st.lists(st.integers(0, 3), max_size=90))
def test_penalised_counts_the_tokens_of_the_window(prompt: list[int], generated: list[int]) -> None:
    state = SamplerState(SamplingParams(1), np.array(prompt, dtype=np.int64))

    for token_id in generated:
        state.accept(token_id)

    assert state.penalised == Counter((prompt + generated)[-PENALTY_WINDOW:])


def test_nothing_is_penalised_without_a_penalty() -> None:
    state = SamplerState(SamplingParams(1, repeat_penalty=1.0), np.array([1, 2]))

    assert not state.penalised


@pytest.mark.parametrize("seed", [0, 1, -1, 2**70, -(2**70), 10**300])
def test_any_integer_is_a_seed_that_repeats_its_draws(seed: int) -> None:
    assert first_draws(seed) == first_draws(seed)


def test_seeds_and_choices_have_draws_of_their_own() -> None:
    draws = [first_draws(seed, choice) for seed in (0, 1, -1, -2, 2**32, 2**70, 10**300) for choice in range(4)]

    assert len({tuple(values) for values in draws}) == len(draws)


def test_no_seed_draws_afresh() -> None:
    assert first_draws(None) != first_draws(None)
