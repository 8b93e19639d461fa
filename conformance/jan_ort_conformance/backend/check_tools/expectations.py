"""What checks expect: an error of a type, or equal numbers within a tolerance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort_backends import Unsupported
from jan_ort_conformance.verdicts.verdict import Violation, expect

Error = TypeVar("Error", bound=Exception)

MIN_ROWS_OF_A_MEDIAN = 5


def expect_error(expected: type[Error], call: Callable[[], object], what: str) -> Error:
    """Return the error that ``call`` raises. Raises: Violation if it raises none, or one of another type."""
    try:
        answer = call()
    except expected as error:
        expect(str(error).strip(), f"{what} raised {expected.__name__} without a message")
        return error
    except Unsupported:
        raise  # of a declared method: the judge calls that a lie
    except Exception as error:
        raise Violation(f"{what} raised {type(error).__name__} ({error}) instead of {expected.__name__}") from error
    raise Violation(
        f"{what} raised nothing and returned {type(answer).__name__} instead of raising {expected.__name__}"
    )


def expect_rows_equal(actual: NDArray[Any], expected: NDArray[Any], tolerance: float, what: str) -> None:
    """Compare logits of like steps row by row; ``tolerance`` is a fraction of the row's range, 0 asks for every bit."""
    for index, difference in enumerate(_differences(actual, expected, what)):
        allowed = f"at most {tolerance:g} is allowed" if tolerance else "equality to the bit is asked"
        expect(difference <= tolerance, f"{what}: row {index} differs by {difference:.3g} of its range; {allowed}")


def expect_rows_alike(actual: NDArray[Any], expected: NDArray[Any], tolerance: float, what: str) -> str:
    """Compare logits of unlike steps: the median row within the tolerance, any row within three times that.

    In half of the rows or more the largest logit must be at the same token. Return what was measured.
    """
    differences = _differences(actual, expected, what)
    median, largest = float(np.median(differences)), max(differences)
    told = f"{what}: median difference {median:.2g} of a row's range, largest {largest:.2g}"
    if len(differences) >= MIN_ROWS_OF_A_MEDIAN:
        expect(median <= tolerance, f"{told}; the median may be {tolerance:g}")
        same = np.mean(np.argmax(actual, axis=-1) == np.argmax(expected, axis=-1))
        expect(same >= 0.5, f"{told}; in {100 * (1 - same):.0f} % of the rows the largest logit is at another token")
    expect(largest <= 3 * tolerance, f"{told}; a row may differ by {3 * tolerance:g}")
    return told


def expect_finite(row: NDArray[Any], what: str) -> None:
    """Raise Violation for a row with NaN or infinity: "... has NaN at 512 of 512 token ids, the first 0"."""
    where = np.flatnonzero(~np.isfinite(row))
    if where.size:
        kinds = "NaN" if np.isnan(row[where]).all() else "NaN and infinity" if np.isnan(row).any() else "infinity"
        raise Violation(f"{what} has {kinds} at {where.size} of {row.size} token ids, the first {where[0]}")


def expect_rows_differ(actual: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    """Raise Violation if the two are the same to the bit."""
    expect(not np.array_equal(actual, expected), f"{what}: both are the same to the bit")


def _differences(actual: NDArray[Any], expected: NDArray[Any], what: str) -> list[float]:
    """Return each row's largest difference as a fraction of its range; 0 for equality to the bit.

    Raises: Violation for unlike shapes, and for NaN or infinity in rows that are not equal.
    """
    left, right = np.atleast_2d(actual), np.atleast_2d(expected)
    expect(left.shape == right.shape, f"{what}: the shapes are {left.shape} and {right.shape}")
    for index, (row, other) in enumerate(zip(left, right, strict=True)):
        if not np.array_equal(row, other):
            expect_finite(row, f"{what}: row {index}")
            expect_finite(other, f"{what}: row {index}")
    return [_difference(row, other) for row, other in zip(left, right, strict=True)]


def _difference(row: NDArray[Any], other: NDArray[Any]) -> float:
    if np.array_equal(row, other):
        return 0.0
    return float(np.abs(row.astype(np.float64) - other).max() / (np.ptp(other) or 1.0))
