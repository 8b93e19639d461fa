"""numpy's BLAS has one thread for as long as blocks are multiplied side by side, and then as many as before."""

from __future__ import annotations

import pytest

from jan_ort.convert.graph.blas_threads import _thread_functions, one_blas_thread


def test_one_thread_for_so_long() -> None:
    found = _thread_functions()
    if found is None:
        pytest.skip("numpy has another BLAS here")
    get, put = found
    before = get()
    put(2)
    try:
        with one_blas_thread():
            assert get() == 1
        assert get() == 2
    finally:
        put(before)
