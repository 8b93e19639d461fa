"""The largest logits against a whole stable sort."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from jan_ort_onnxruntime.sessions.decoder_arrays import find_largest


@pytest.mark.parametrize("vocab_size", [1, 40, 64, 65, 5000])
@pytest.mark.parametrize("levels", [1, 3, 1_000_000])
def test_they_are_those_that_a_stable_sort_puts_first(vocab_size: int, levels: int) -> None:
    logits = np.random.default_rng(vocab_size).integers(0, levels, (4, vocab_size)).astype(np.float32)
    expected = np.argsort(-logits, axis=1, kind="stable")[:, :64]

    values, token_ids = find_largest(logits)

    assert_array_equal(token_ids, expected)
    assert_array_equal(values, np.take_along_axis(logits, expected, axis=1))


def test_no_rows_give_no_rows() -> None:
    values, token_ids = find_largest(np.empty((0, 300), np.float32))

    assert values.shape == token_ids.shape == (0, 64)


@pytest.mark.parametrize("num_nan", [1, 63, 64, 300])
def test_a_nan_comes_first(num_nan: int) -> None:
    logits = np.arange(300, dtype=np.float32)[np.newaxis].copy()
    logits[0, :num_nan] = np.nan

    values, token_ids = find_largest(logits)

    assert np.isnan(values[0, : min(num_nan, 64)]).all()
    assert_array_equal(token_ids[0, :num_nan], np.arange(min(num_nan, 64)))
    assert_array_equal(values[0, num_nan:], np.arange(299, 299 - max(0, 64 - num_nan), -1))
