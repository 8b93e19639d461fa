"""Which room of the onnxruntime backend imports which; tests/test_layers.py says what it imports of others."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.test_layers import ROOT, imported, sources

PACKAGE = "jan_ort_onnxruntime"

ROOMS: Mapping[str, set[str]] = {
    "__init__": {"descriptor"},
    "descriptor": {"graphs", "images", "memory_need", "opening", "providers", "session_settings"},
    "memory_need": {"graphs", "images", "providers", "session_settings"},
    "opening": {"graphs", "images", "providers", "rewriting", "session_settings", "sessions"},
    "rewriting": {"graphs", "providers", "sessions"},
    "sessions": {"graphs", "images", "kv", "providers"},
    "images": {"graphs", "providers", "session_settings"},
    "kv": {"graphs", "providers"},
    "providers": {"graphs", "session_settings"},
    "graphs": set(),
    "session_settings": set(),
}
"""What each room imports: all that it may, and no more than it does."""

FOLDER = ROOT / "backends" / PACKAGE


def room_of(path: Path) -> str:
    return path.relative_to(FOLDER).with_suffix("").parts[0]


def entered(room: str, source: str) -> set[str]:
    """Return the other rooms that a file of ``room`` imports from."""
    places = (module.split(".") for module in imported(source) if module.startswith(f"{PACKAGE}."))
    return {place[1] for place in places} - {room}


def test_every_file_is_in_a_room() -> None:
    assert {room_of(path) for path in sources(PACKAGE)} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_those_below_it(room: str) -> None:
    files = [path.read_text(encoding="utf-8") for path in sources(PACKAGE) if room_of(path) == room]

    assert set().union(*(entered(room, source) for source in files)) == ROOMS[room]


def test_the_rooms_stand_in_an_order() -> None:
    order = list(TopologicalSorter(ROOMS).static_order())

    assert order[-1] == "__init__"


def test_a_planted_import_is_found() -> None:
    source = "def f():\n    from jan_ort_onnxruntime.sessions import step_plan\nimport jan_ort_onnxruntime.kv.slot_rows"

    assert entered("kv", source) == {"sessions"}
