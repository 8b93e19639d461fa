"""States of rows: what a step wrote counts once it is committed, and company or moving changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

from jan_ort_onnxruntime.kv.state_rows import StateRows

SHAPES = ((2, 3), (4,))


def states(*values: float) -> StateRows:
    """Return rows that hold these numbers."""
    made = StateRows(SHAPES, len(values))
    for row, value in enumerate(values):
        made.write(row, tuple(np.full(shape, value, np.float32) for shape in SHAPES))
    return made


def held(made: StateRows, num_rows: int) -> list[float]:
    rows = [made.read(row) for row in range(num_rows)]
    assert all(tensor.min() == tensor.max() == row[0].max() for row in rows for tensor in row)
    return [float(row[0].max()) for row in rows]


def run(made: StateRows, *rows: int, idle: tuple[int, ...] = (), empty: tuple[int, ...] = (), grown: float = 1) -> None:
    """Do what a run of the graph does: each row that was read is written larger, an idle one with nonsense."""
    source, target = made.begin(rows, idle, empty=empty)
    for tensor in made._tensors:
        for row in rows:
            tensor[target, row] = tensor[source, row] + grown
        for row in idle:
            tensor[target, row] = np.nan
    made.end(rows, target)


def test_what_a_step_wrote_counts_once_it_is_committed() -> None:
    made = states(1, 2)

    run(made, 0)
    made.discard()
    failed = held(made, 2)
    run(made, 0)
    made.commit()

    assert failed == [1, 2]
    assert held(made, 2) == [2, 2]


def test_a_second_run_of_a_step_goes_on_and_a_failed_step_has_done_nothing() -> None:
    made = states(1, 2)

    for _ in range(3):
        run(made, 0)
        run(made, 0)
        made.discard()
    run(made, 0)
    run(made, 0)
    made.commit()

    assert held(made, 2) == [3, 2]


def test_rows_run_together_whatever_each_did_before_and_idle_ones_are_left_alone() -> None:
    made = states(10, 20, 30, 40)
    for rows in ((1,), (1, 2, 3), (2,), (0,)):
        run(made, *rows)
        made.commit()

    run(made, 0, 2, 3, idle=(1,))
    made.commit()

    assert held(made, 4) == [12, 22, 33, 42]


def test_a_row_that_begins_is_empty_whatever_it_held() -> None:
    made = states(10, 20)

    run(made, 0, 1, empty=(1,))
    made.commit()

    assert held(made, 2) == [11, 1]


@pytest.mark.parametrize("written", [(), (0,), (1,)])
def test_copies_and_swaps_take_what_a_row_holds(written: tuple[int, ...]) -> None:
    made = states(10, 20, 30)
    for row in written:
        run(made, row, grown=0)
        made.commit()

    made.swap(0, 1)
    made.copy(1, 2)

    assert held(made, 3) == [20, 10, 10]
