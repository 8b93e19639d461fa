"""What a difference of logits is told as: a fraction of the row's range, or NaN by its name."""

from __future__ import annotations

import numpy as np
import pytest

from jan_ort_conformance.backend.check_tools.expectations import expect_rows_alike, expect_rows_equal
from jan_ort_conformance.verdicts.verdict import Violation

ROWS = np.arange(12, dtype=np.float32).reshape(3, 4)


def with_one(value: float) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    rows = ROWS.copy()
    rows[1, 2] = value
    return rows


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.nan, r"cut: row 1 has NaN at 1 of 4 token ids, the first 2"),
        (-np.inf, r"cut: row 1 has infinity at 1 of 4 token ids, the first 2"),
        (9.0, r"cut: row 1 differs by 1 of its range"),
    ],
)
def test_a_row_that_differs_is_told_by_what_is_wrong_with_it(value: float, told: str) -> None:
    with pytest.raises(Violation, match=told):
        expect_rows_equal(with_one(value), ROWS, 0.0, "cut")


def test_nan_in_both_is_not_equal() -> None:
    with pytest.raises(Violation, match="row 1 has NaN"):
        expect_rows_alike(with_one(np.nan), with_one(np.nan), 0.1, "cut")


def test_equal_rows_are_equal() -> None:
    expect_rows_equal(ROWS, ROWS.copy(), 0.0, "cut")
