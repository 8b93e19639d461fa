"""Print the house in figures: files and lines of each room, small and large files, and the imports between rooms.

Run it in a checkout, or give the path of another one to compare with: ``python scripts/house.py [CHECKOUT]``.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "jan_ort"
SMALL = 40
"""A file with fewer lines needs a reason."""


def main(root: Path) -> None:
    """Print the figures of the checkout at ``root``."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    rooms = {path: room_of(path.relative_to(root / PACKAGE).with_suffix("").parts) for path in files}
    by_room = Counter(rooms.values())
    print(f"{len(files)} files, {sum(lines.values())} lines, median {statistics.median(lines.values()):.0f}")
    for room in sorted(by_room):
        total = sum(lines[path] for path in files if rooms[path] == room)
        print(f"  {room}: {by_room[room]} files, {total} lines")
    small = [path for path in files if lines[path] < SMALL and not path.stem.startswith("_")]
    largest = max(files, key=lines.__getitem__)
    print(f"files under {SMALL} lines: {len(small)}; largest: {largest.relative_to(root)} ({lines[largest]})")
    known = {".".join(path.relative_to(root).with_suffix("").parts): rooms[path] for path in files}
    arrows = {
        (rooms[path], room)
        for path in files
        for module in imported(path.read_text(encoding="utf-8"), known)
        if (room := known[module]) != rooms[path]
    }
    print(f"rooms: {len(by_room)}; arrows between them: {len(arrows)}; {floors(arrows)}")


def room_of(parts: tuple[str, ...]) -> str:
    """Return a folder's name, or of a file that stands loose at the top its own."""
    return f"{parts[0]}/" if len(parts) > 1 else parts[0]


def imported(source: str, known: Collection[str]) -> Iterator[str]:
    """Yield which of the known modules the source imports, wherever it does."""
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [(alias.name,) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [(f"{node.module}.{alias.name}", node.module) for alias in node.names]
        for spellings in names:  # a module of a package, or a name in one
            found = [known_as for name in spellings for known_as in (name, f"{name}.__init__") if known_as in known]
            yield from found[:1]


def floors(arrows: set[tuple[str, object]]) -> str:
    """Return how many storeys the rooms need, one above all that they import."""
    below: dict[object, set[object]] = {}
    for room, other in arrows:
        below.setdefault(room, set()).add(other)
    try:
        order = list(TopologicalSorter(below).static_order())
    except CycleError as error:
        return f"a circle: {' -> '.join(map(str, error.args[1]))}"
    height: dict[object, int] = {}
    for room in order:
        height[room] = 1 + max((height[other] for other in below.get(room, ())), default=0)
    return f"floors: {max(height.values(), default=1)}; no circle"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
