"""One thread for numpy's products, while products of several blocks run side by side."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

_NAMES = ("scipy_openblas_{}_num_threads64_", "openblas_{}_num_threads64_", "openblas_{}_num_threads")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Have the OpenBLAS that comes with numpy compute with one thread; another BLAS goes on as it is.

    Its threads wait for one another in a loop: on two cores that others use, a product took five times the CPU time.
    """
    found = _thread_functions()
    if found is None:
        yield
        return
    get, put = found
    before = get()
    put(1)
    try:
        yield
    finally:
        put(before)


def _thread_functions() -> tuple[ctypes._NamedFuncPointer, ctypes._NamedFuncPointer] | None:
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))  # the one that numpy has loaded
        for name in _NAMES:
            if hasattr(library, name.format("set")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
