"""No import circle among the rooms of the kit: its folders, and each file that http/ and backend/ hold themselves."""

from __future__ import annotations

from graphlib import TopologicalSorter
from pathlib import PurePosixPath

from tests.test_circles import arrows
from tests.test_layers import ROOT, sources

KIT = "jan_ort_conformance"


def room(module: str) -> str:
    """Return the folder of a module; of the entrances and options in http/ and backend/ the file itself."""
    path = PurePosixPath(*module.split("."))
    return str(path if path.parent.name in ("http", "backend") else path.parent)


def test_no_room_imports_itself_by_way_of_others() -> None:
    root = ROOT / "conformance"
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sources(KIT)
    }

    rooms: dict[str, set[str]] = {}
    for module, imports in arrows(files).items():
        rooms.setdefault(room(module), set()).update({room(each) for each in imports} - {room(module)})

    TopologicalSorter(rooms).prepare()  # raises CycleError
    assert rooms[f"{KIT}/verdicts"] == set()
