"""Who may import whom: ARCHITECTURE.md's rule, checked on every import statement of every package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INTERFACE, CONTRACT = "jan_ort_backends", "jan_ort_openapi"
PLUGINS = ("jan_ort_onnxruntime", "jan_ort_backends.reference")
"""Backends; whoever wants one asks the registry."""


@dataclass(frozen=True)
class Rule:
    """What a package may import beside itself and the standard library.

    ``ours`` are packages of this project; ``third_party`` None stands for any, less ``never``.
    """

    folder: str
    ours: frozenset[str] = frozenset()
    third_party: frozenset[str] | None = None
    never: tuple[str, ...] = ()


RULES: Mapping[str, Rule] = {
    INTERFACE: Rule("backends", third_party=frozenset({"numpy"})),
    CONTRACT: Rule("openapi", third_party=frozenset({"pydantic", "pydantic_core", "typing_extensions"})),
    "jan_ort_onnxruntime": Rule(
        "backends",
        ours=frozenset({INTERFACE}),
        third_party=frozenset({"filelock", "numpy", "onnxruntime", "PIL", "tokenizers", "windowsml"}),
    ),
    "jan_ort_llama_cpp": Rule(
        "backends/jan_ort_llama_cpp/src", ours=frozenset({INTERFACE}), third_party=frozenset({"numpy", "llama_cpp"})
    ),
    "jan_ort_conformance": Rule("conformance", ours=frozenset({INTERFACE, CONTRACT})),
    "jan_ort": Rule(".", ours=frozenset({INTERFACE, CONTRACT}), never=(*PLUGINS, "onnxruntime", "torch")),
}

ROOMS: Mapping[str, tuple[str, ...]] = {
    "cli": ("on_ray", "http", "serving", "plugins", "models", "chat", "settings", "ground"),
    "on_ray": ("http", "settings", "ground"),
    "http": ("serving", "engine", "sampling", "structured", "chat", "images", "models", "settings", "ground"),
    "serving": ("engine", "structured", "chat", "plugins", "models", "settings", "ground"),
    "engine": ("sampling", "structured", "ground"),
    "structured": ("models", "ground"),
    "plugins": ("models", "settings", "ground"),
    "models": ("convert", "ground"),
    "convert": ("ground",),
    "chat": ("ground",),
    "images": ("ground",),
    "sampling": (),
    "settings": ("ground",),
    "ground": (),
}
"""The rooms of the server from the top down, each with those that it may import; its own files may always."""

ENTRANCES: Mapping[str, tuple[str, ...]] = {
    "jan_ort.cli.program": ("jan_ort.__main__",),
    "jan_ort.cli.commands": ("jan_ort.cli.program",),
    "jan_ort.cli.doctor": ("jan_ort.cli.commands",),
    "jan_ort.cli.bench": ("jan_ort.cli.commands",),
    "jan_ort.cli.service": ("jan_ort.cli.commands",),
    "jan_ort.cli.terminal_chat": ("jan_ort.cli.commands",),
    "click": ("jan_ort.cli.program", "jan_ort.cli.commands", "jan_ort.cli.terminal_chat", "jan_ort.cli.saying"),
    "jan_ort.http.app": ("jan_ort.__init__", "jan_ort.http.hypercorn_server"),
    "jan_ort.http.handlers": ("jan_ort.http.routes",),
    "quart": ("jan_ort.http", "jan_ort.on_ray.deployment", "jan_ort.__init__"),
    "hypercorn": ("jan_ort.http",),
    "PIL": ("jan_ort.images",),
    "opentelemetry": ("jan_ort.http.tracing",),
    "prometheus_client": ("jan_ort.http.metrics",),
    "markdown_it": ("jan_ort.cli.terminal_chat",),
    "prompt_toolkit": ("jan_ort.cli.terminal_chat",),
    "ray": ("jan_ort.on_ray",),
    "starlette": ("jan_ort.on_ray",),
}
"""Who may import a part of a room, or what a room alone is written with."""


def imported(source: str) -> Iterator[str]:
    """Yield the full name of every module that the source imports, wherever it does; also by ``import_module``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def violations(package: str, source: str) -> list[str]:
    """Return the modules that the source, being part of ``package``, must not import."""
    return sorted({module for module in imported(source) if not may_import(package, module)})


def may_import(package: str, module: str) -> bool:
    rule = RULES[package]
    top = module.split(".")[0]
    if top == package or top in sys.stdlib_module_names:
        return True
    if any(module == name or module.startswith((f"{name}.", f"{name}_")) for name in rule.never):
        return False
    if top == "tests" or top in RULES:
        return top in rule.ours
    return rule.third_party is None or top in rule.third_party


def intrusions(module: str, source: str) -> list[str]:
    """Return what ``module`` enters by no entrance of its own, and the rooms that its room must not import."""
    modules = list(imported(source))
    barred = [part for part, allowed in ENTRANCES.items() if not any(is_in(module, name) for name in (part, *allowed))]
    return [
        *(part for part in barred if any(is_in(each, part) for each in modules)),
        *sorted({room for each in modules if (room := room_of(each)) and not may_enter(room_of(module), room)}),
    ]


def room_of(module: str) -> str | None:
    """Return the room of the server that a module belongs to, None if it stands at the top or elsewhere."""
    package, *path = module.split(".")
    return path[0] if package == "jan_ort" and path and path[0] in ROOMS else None


def may_enter(room: str | None, other: str) -> bool:
    return room in (None, other) or other in ROOMS[room]


def is_in(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def sources(package: str) -> list[Path]:
    return sorted((ROOT / RULES[package].folder / package).rglob("*.py"))


@pytest.mark.parametrize("package", RULES)
def test_a_package_imports_only_what_is_below_it(package: str) -> None:
    files = sources(package)

    found = {str(path.relative_to(ROOT)): violations(package, path.read_text(encoding="utf-8")) for path in files}

    assert files
    assert {path: modules for path, modules in found.items() if modules} == {}


def test_the_top_of_the_server_holds_rooms_only() -> None:
    tops = {path.relative_to(ROOT / "jan_ort").parts[0] for path in sources("jan_ort")}

    assert tops == {"__init__.py", "__main__.py", "_version.py", *ROOMS}


def test_only_the_backend_half_of_the_kit_knows_backends() -> None:
    """The kit is installed without them to judge a server: so much is its own extra ``backend``."""
    kit = ROOT / "conformance" / "jan_ort_conformance"
    backends = ("numpy", INTERFACE, "jan_ort_conformance.backend")

    knowing = {
        path.relative_to(kit).as_posix()
        for path in sources("jan_ort_conformance")
        if any(is_in(each, name) for each in imported(path.read_text(encoding="utf-8")) for name in backends)
    }

    assert {each for each in knowing if not each.startswith("backend/")} == {"cli/backend_command.py"}


def test_the_rooms_are_listed_from_the_top_down() -> None:
    order = list(ROOMS)

    assert {
        room: [each for each in below if order.index(each) <= order.index(room)] for room, below in ROOMS.items()
    } == {room: [] for room in ROOMS}


def test_a_room_of_the_server_is_entered_only_from_above() -> None:
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in sources("jan_ort")}

    found = {module: intrusions(module, path.read_text(encoding="utf-8")) for module, path in files.items()}

    assert {module: rooms for module, rooms in found.items() if rooms} == {}


@pytest.mark.parametrize(
    ("module", "source", "rooms"),
    [
        (
            "jan_ort.cli.doctor.report",
            "from jan_ort.cli.commands.backends import BackendReport",
            ["jan_ort.cli.commands"],
        ),
        ("jan_ort.cli.doctor.examination", "import click", ["click"]),
        ("jan_ort.http.launcher", "def f():\n    import jan_ort.cli.program", ["jan_ort.cli.program", "cli"]),
        ("jan_ort.serving.roster", "from jan_ort.http.api_error import ApiError", ["http"]),
        ("jan_ort.engine.engine", "import jan_ort.models.folder, jan_ort.engine.slots", ["models"]),
        ("jan_ort.serving.server", "from quart import Quart", ["quart"]),
        ("jan_ort.serving.server", "from jan_ort.engine.engine import Engine", []),
        ("jan_ort.cli.commands.doctor", "import click\nfrom jan_ort.cli.doctor.rendering import render", []),
    ],
)
def test_a_planted_intrusion_is_found(module: str, source: str, rooms: list[str]) -> None:
    assert intrusions(module, source) == rooms


def test_every_package_of_the_source_roots_has_a_rule() -> None:
    roots = [ROOT, ROOT / "backends", ROOT / "openapi", ROOT / "conformance"]

    packages = {path.name for root in roots for path in root.glob("jan_ort*") if any(path.rglob("*.py"))}

    assert packages == set(RULES)


@pytest.mark.parametrize(
    ("package", "source", "expected"),
    [
        ("jan_ort", "import jan_ort_onnxruntime", ["jan_ort_onnxruntime"]),
        ("jan_ort", "def f():\n    from jan_ort_onnxruntime.graph import g", ["jan_ort_onnxruntime.graph"]),
        ("jan_ort", "from jan_ort_backends import reference", ["jan_ort_backends.reference"]),
        ("jan_ort", "import jan_ort_backends.reference_tokenizer", ["jan_ort_backends.reference_tokenizer"]),
        ("jan_ort", "import importlib\nimportlib.import_module('onnxruntime')", ["onnxruntime"]),
        ("jan_ort", "import jan_ort_conformance", ["jan_ort_conformance"]),
        ("jan_ort", "import tests.conftest", ["tests.conftest"]),
        ("jan_ort_onnxruntime", "if True:\n    import jan_ort.settings.schema", ["jan_ort.settings.schema"]),
        ("jan_ort_onnxruntime", "import jan_ort_openapi, torch", ["jan_ort_openapi", "torch"]),
        ("jan_ort_backends", "import pydantic, onnxruntime as ort", ["onnxruntime", "pydantic"]),
        ("jan_ort_backends", "__import__('jan_ort_openapi')", ["jan_ort_openapi"]),
        ("jan_ort_openapi", "import numpy, jan_ort_backends", ["jan_ort_backends", "numpy"]),
        ("jan_ort_conformance", "import jan_ort", ["jan_ort"]),
    ],
)
def test_a_planted_violation_is_found(package: str, source: str, expected: list[str]) -> None:
    assert [module for module in violations(package, source) if module in expected] == expected


@pytest.mark.parametrize(
    ("package", "source"),
    [
        (
            "jan_ort",
            "import json, quart, numpy\nfrom jan_ort_backends import Session\nfrom jan_ort.engine import engine",
        ),
        ("jan_ort", "from . import settings\nfrom jan_ort_openapi.models import Messages"),
        ("jan_ort_onnxruntime", "import onnxruntime\nfrom jan_ort_backends.interface import Session"),
        ("jan_ort_backends", "import threading, numpy\nfrom jan_ort_backends.errors import BadInput"),
        ("jan_ort_openapi", "from pydantic import BaseModel"),
        ("jan_ort_conformance", "import pytest, schemathesis\nfrom jan_ort_backends import discover"),
    ],
)
def test_what_the_rule_allows_is_no_violation(package: str, source: str) -> None:
    assert violations(package, source) == []
