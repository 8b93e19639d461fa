"""The candidates of a row against sorting the whole row."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jan_ort.sampling.candidates import largest
from tests.sampling import twin

tied_logits = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=200)


@given(logits=tied_logits, num=st.integers(1, 250))
def test_the_largest_are_the_head_of_the_sorted_row(logits: list[float], num: int) -> None:
    values, token_ids = largest(np.array(logits), num)

    expected = twin.ranked(logits)[:num]
    assert token_ids.tolist() == expected
    assert values.tolist() == [logits[token_id] for token_id in expected]
