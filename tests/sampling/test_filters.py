"""The filters and the draw against loops over Python floats; probabilities are exact binary fractions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jan_ort.sampling.filters import FilterColumns, count_kept, draw, to_weights
from jan_ort.sampling.params import SamplingParams
from tests.sampling import twin

PARTS = 4096
"""Probabilities are multiples of 1/PARTS, so that every sum of them is exact."""

sorted_logits = st.lists(st.floats(-60, 60), min_size=1, max_size=20).map(lambda xs: sorted(xs, reverse=True))
fractions = st.integers(0, PARTS).map(lambda part: part / PARTS)


@st.composite
def sorted_probs(draw_value: st.DrawFn) -> list[float]:
    """Probabilities that sum to 1, sorted, the last ones possibly 0."""
    cuts = sorted(draw_value(st.lists(st.integers(0, PARTS), max_size=12)))
    sizes = [after - before for before, after in zip([0, *cuts], [*cuts, PARTS], strict=True)]
    return sorted((size / PARTS for size in sizes), reverse=True)


def row(values: list[float]) -> NDArray[np.float64]:
    return np.array([values], dtype=np.float64)


def column(value: float) -> NDArray[np.float64]:
    return np.array([[value]], dtype=np.float64)


def num_kept(probs: list[float], *, top_p: float = 1.0, min_p: float = 0.0) -> int:
    weights = row(probs) / probs[0]
    cumulative = np.cumsum(weights, axis=1)
    columns = FilterColumns.of([SamplingParams(1, top_p=top_p, min_p=min_p)])
    return int(count_kept(weights, cumulative, cumulative[:, -1:], columns)[0])


@given(logits=sorted_logits, temperature=st.floats(0.05, 50))
def test_weights_are_the_softmax_up_to_a_factor(logits: list[float], temperature: float) -> None:
    weights = to_weights(row(logits), column(1 / temperature))[0]

    np.testing.assert_allclose(weights / weights.sum(), twin.softmax(logits, temperature), rtol=1e-12, atol=1e-300)


def test_weights_at_the_ends_of_the_temperature_scale_have_no_nan() -> None:
    cold, hot = (FilterColumns.of([SamplingParams(1, temperature=t)]) for t in (5e-324, 1e308))

    cold_weights = to_weights(row([1e30, 3.0, -1e30, -np.inf]), cold.inverse_temperature)
    hot_weights = to_weights(row([9.0, 3.0, -9.0, -np.inf]), hot.inverse_temperature)

    assert cold_weights.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert hot_weights.tolist() == [[1.0, 1.0, 1.0, 0.0]]


@given(num=st.integers(1, 12), top_p=fractions)
def test_top_p_keeps_the_smallest_set_that_reaches_it(num: int, top_p: float) -> None:
    probs = [2.0**-at for at in range(1, num)] + [2.0 ** -max(0, num - 1)]  # multiples of the largest are exact too

    assert num_kept(probs, top_p=top_p) == max(1, twin.top_p_size(probs, top_p))


@given(logits=sorted_logits, min_p=fractions)
def test_min_p_keeps_what_is_near_the_likeliest(logits: list[float], min_p: float) -> None:
    weights = to_weights(row(logits), column(1.0))[0].tolist()

    assert num_kept(weights, min_p=min_p) == sum(weight >= min_p for weight in weights)


@given(logits=sorted_logits)
def test_a_top_p_of_0_and_a_min_p_above_1_keep_one(logits: list[float]) -> None:
    weights = to_weights(row(logits), column(1.0))[0].tolist()

    assert num_kept(weights, top_p=0.0) == num_kept(weights, min_p=1.5) == 1


@given(probs=sorted_probs(), uniform=st.integers(0, PARTS - 1).map(lambda part: part / PARTS), data=st.data())
def test_draw_inverts_the_cumulative_distribution_of_what_is_kept(
    probs: list[float], uniform: float, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(1, sum(prob > 0 for prob in probs)))

    chosen = int(draw(np.cumsum(row(probs), axis=1), np.array([kept]), np.array([uniform]))[0])

    target = uniform * sum(probs[:kept])
    assert sum(probs[:chosen]) <= target < sum(probs[: chosen + 1])


@given(weights=st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=40), num_dropped=st.integers(0, 5))
def test_draw_never_chooses_what_was_filtered_out(weights: list[float], num_dropped: int) -> None:
    cumulative = np.cumsum(row([*sorted(weights, reverse=True), *[0.0] * num_dropped]), axis=1)

    chosen = int(draw(cumulative, np.array([len(weights)]), np.array([np.nextafter(1.0, 0.0)]))[0])

    assert chosen < len(weights)


@given(rows=st.lists(st.lists(st.floats(-20, 20), min_size=64, max_size=64), min_size=2, max_size=6), data=st.data())
def test_a_row_is_weighed_alike_in_any_company(rows: list[list[float]], data: st.DataObject) -> None:
    logits = -np.sort(-np.array(rows), axis=1)
    temperature = np.array([[data.draw(st.floats(0.1, 1))] for _ in rows])

    together = np.cumsum(to_weights(logits, temperature), axis=1)

    for at in range(len(rows)):
        alone = np.cumsum(to_weights(logits[[at], : 64 - at], temperature[[at]]), axis=1)
        assert alone[0].tobytes() == together[at, : 64 - at].tobytes()
