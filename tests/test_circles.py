"""No import circle among the files of a package: whoever reads one can read first what it imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.test_layers import ROOT, RULES, sources


def names(module: str, source: str) -> Iterator[tuple[str, str]]:
    """Yield what each import statement of ``module`` names, wherever it stands: a module, and what it takes of it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


def arrows(files: Mapping[str, str]) -> dict[str, set[str]]:
    """Return which of the modules each imports; of a package that is a submodule, or else its ``__init__``.

    ``files`` are the sources by module; a package goes by the name of its ``__init__``.
    """
    found: dict[str, set[str]] = {}
    for module, source in files.items():
        tried = (
            (f"{base}.{name}", f"{base}.{name}.__init__", base, f"{base}.__init__")
            for base, name in names(module, source)
        )
        found[module] = {next((each for each in places if each in files), module) for places in tried} - {module}
    return found


def circle(files: Mapping[str, str]) -> list[str]:
    """Return the modules of one circle, in the order of their imports; empty if there is none."""
    try:
        TopologicalSorter(arrows(files)).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


@pytest.mark.parametrize("package", sorted(RULES))
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    root = ROOT / RULES[package].folder
    files = {
        ".".join(path.relative_to(root).with_suffix("").parts): path.read_text(encoding="utf-8")
        for path in sources(package)
    }

    assert files
    assert circle(files) == []


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"p.a": "from p.b import x", "p.b": "from p import c", "p.c": "import p.a"}, {"p.a", "p.b", "p.c"}),
        ({"p.a": "def f():\n    from p import b", "p.b": "if TYPE_CHECKING:\n    from p.a import A"}, {"p.a", "p.b"}),
        ({"p.__init__": "from p.a import A", "p.a": "from p import A"}, {"p.__init__", "p.a"}),
        ({"p.q.a": "from . import b", "p.q.b": "from .a import A"}, {"p.q.a", "p.q.b"}),
        ({"p.q.a": "from ..r import b", "p.r.b": "from p.q.a import A"}, {"p.q.a", "p.r.b"}),
        ({"p.__init__": "from p.a import A", "p.a": "from p import b", "p.b": "import p2.a"}, set()),
    ],
)
def test_a_planted_circle_is_found(files: Mapping[str, str], expected: set[str]) -> None:
    assert set(circle(files)) == expected
