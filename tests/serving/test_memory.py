"""What is left out of collections of garbage, and looked at all the same when a model is unloaded."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from jan_ort.serving.memory import _is_left_out, leave_out_of_collections, return_memory


class Cycle:
    """Garbage as soon as nobody has it, and freed by a collection only."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def nothing_left_out() -> Iterator[None]:
    gc.unfreeze()
    leave_out_of_collections.cache_clear()
    yield
    _is_left_out.clear()
    gc.freeze()


@pytest.mark.usefixtures("nothing_left_out")
def test_what_was_there_at_the_start_is_looked_at_only_at_an_unload() -> None:
    there = Cycle()
    seen = weakref.ref(there)
    leave_out_of_collections()
    del there

    gc.collect()
    assert seen() is not None
    return_memory()

    assert seen() is None
    assert gc.get_freeze_count() > 0


def test_what_the_process_itself_has_left_out_stays_so() -> None:
    gc.freeze()  # as these tests do for themselves
    leave_out_of_collections.cache_clear()

    leave_out_of_collections()

    assert not _is_left_out.is_set()
