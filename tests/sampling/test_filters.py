"""The filters and the draw against loops over Python floats; probabilities are exact binary fractions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from jan_ort.sampling.filters import draw, keep_min_p, keep_top_p, softmax_top_k
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


@given(logits=sorted_logits, temperature=st.floats(0.05, 50), top_k=st.integers(1, 25))
def test_softmax_top_k_is_the_softmax_of_the_first_k(logits: list[float], temperature: float, top_k: int) -> None:
    probs = softmax_top_k(row(logits), column(temperature), np.array([[top_k]]))[0]

    expected = twin.softmax(logits[:top_k], temperature)
    np.testing.assert_allclose(probs[:top_k], expected, rtol=1e-12, atol=1e-300)
    assert not probs[top_k:].any()


def test_softmax_at_the_ends_of_the_temperature_scale_has_no_nan() -> None:
    logits = row([1e308, 3.0, -1e308])

    cold = softmax_top_k(logits, column(5e-324), np.array([[3]]))
    hot = softmax_top_k(row([9.0, 3.0, -9.0]), column(1e308), np.array([[3]]))

    assert cold.tolist() == [[1.0, 0.0, 0.0]]
    assert hot.tolist() == [[1 / 3, 1 / 3, 1 / 3]]


@given(probs=sorted_probs(), top_p=fractions)
def test_top_p_keeps_the_smallest_set_that_reaches_it(probs: list[float], top_p: float) -> None:
    kept = row(probs)

    keep_top_p(kept, column(top_p))

    size = twin.top_p_size(probs, top_p)
    assert kept[0].tolist() == probs[:size] + [0.0] * (len(probs) - size)


@given(probs=sorted_probs(), min_p=fractions)
def test_min_p_keeps_what_is_near_the_likeliest(probs: list[float], min_p: float) -> None:
    kept = row(probs)

    keep_min_p(kept, column(min_p))

    assert kept[0].tolist() == [prob if prob >= min_p * probs[0] else 0.0 for prob in probs]


@given(probs=sorted_probs(), uniform=st.integers(0, PARTS - 1).map(lambda part: part / PARTS))
def test_draw_inverts_the_cumulative_distribution(probs: list[float], uniform: float) -> None:
    chosen = int(draw(row(probs), column(uniform))[0])

    assert sum(probs[:chosen]) <= uniform < sum(probs[: chosen + 1])


@given(weights=st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=40), num_zeros=st.integers(0, 5))
def test_draw_never_chooses_what_was_filtered_out(weights: list[float], num_zeros: int) -> None:
    probs = row([*sorted(weights, reverse=True), *[0.0] * num_zeros])

    chosen = int(draw(probs, column(np.nextafter(1.0, 0.0)))[0])

    assert chosen < len(weights)


@given(rows=st.lists(st.lists(st.floats(-20, 20), min_size=64, max_size=64), min_size=2, max_size=6), data=st.data())
def test_a_row_is_filtered_alike_in_any_company(rows: list[list[float]], data: st.DataObject) -> None:
    logits = -np.sort(-np.array(rows), axis=1)
    size = len(rows)
    temperature, top_p = (np.array([[data.draw(st.floats(0.1, 1))] for _ in range(size)]) for _ in range(2))
    top_k = np.array([[data.draw(st.integers(1, 64))] for _ in range(size)])

    together = softmax_top_k(logits, temperature, top_k)
    keep_top_p(together, top_p)

    for at in range(size):
        alone = softmax_top_k(logits[[at]], temperature[[at]], top_k[[at]])
        keep_top_p(alone, top_p[[at]])
        assert alone[0].tobytes() == together[at].tobytes()
