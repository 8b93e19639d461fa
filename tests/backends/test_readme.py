"""The example in the README is a backend that works."""

import re
from pathlib import Path

import numpy as np

from jan_ort_backends import Accepts, OpenOptions, SlotTokens, check_session, discover, register, unregister

README = Path(__file__).parents[2] / "backends" / "README.md"


def test_the_example_registers_opens_and_counts(tmp_path: Path) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, object] = {}
    exec(source, namespace)  # noqa: S102
    register(namespace["backend"])  # type: ignore[arg-type]
    (row,) = [row for row in discover(allow=["counting"]) if row.name == "counting"]
    unregister("counting")
    assert row.backend is not None

    (tmp_path / "counting.json").touch()
    session = row.backend.open(tmp_path, OpenOptions(num_slots=2))

    check_session(row.backend, session)
    assert row.backend.accepts(tmp_path) == Accepts()
    assert session.step([SlotTokens(1, np.array([5, 6, 7]), 2)]).logits.argmax(axis=1).tolist() == [7, 8]


def test_the_example_has_at_most_forty_lines() -> None:
    (source,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)

    assert sum(bool(line.strip()) for line in source.splitlines()) <= 40
