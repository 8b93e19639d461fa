"""The candidates of a row against sorting the whole row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.sampling.candidates import WIDTH, select_candidates, sort_candidates
from tests.sampling import twin

tied_logits = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=200)


@given(logits=tied_logits, top_k=st.integers(0, 250))
def test_candidates_are_the_head_of_the_sorted_row(logits: list[float], top_k: int) -> None:
    values, token_ids = select_candidates(np.array(logits), top_k)

    width = len(logits) if top_k == 0 else max(WIDTH, top_k)
    expected = twin.ranked(logits)[:width]
    assert token_ids.tolist() == [expected]
    assert values.tolist() == [[logits[token_id] for token_id in expected]]


@given(rows=st.lists(st.permutations(range(8)), min_size=1, max_size=4), logits=st.lists(st.integers(0, 2), min_size=8))
def test_sorting_candidates_breaks_ties_by_token_id(rows: list[list[int]], logits: list[int]) -> None:
    token_ids = np.array(rows)
    values = np.array(logits, dtype=np.float64)[token_ids]

    sorted_values, sorted_ids = sort_candidates(values, token_ids)

    expected = twin.ranked([float(logit) for logit in logits[:8]])
    assert sorted_ids.tolist() == [expected] * len(rows)
    assert sorted_values.tolist() == [[logits[token_id] for token_id in expected]] * len(rows)
