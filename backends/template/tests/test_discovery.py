"""The installed distribution is found, and its backend opens a model through the registry alone."""

from pathlib import Path

import numpy as np
from jan_ort_backends import Accepts, OpenOptions, SlotTokens, discover


def test_the_backend_is_discovered_and_counts(tmp_path: Path) -> None:
    (tmp_path / "counting.json").touch()
    (row,) = [row for row in discover(allow=["counting"]) if row.name == "counting"]
    assert row.backend is not None, f"{row.error}; {row.remedy}"

    session = row.backend.open(tmp_path, OpenOptions(num_slots=2))
    step = session.step([SlotTokens(1, np.array([5, 6, 7]), 2)])

    assert row.distribution == "jan-ort-counting"
    assert row.backend.accepts(tmp_path) == Accepts()
    assert step.logits.argmax(axis=1).tolist() == [7, 8]
