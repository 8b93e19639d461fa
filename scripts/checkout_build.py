"""The build backend: hatchling's own, but an editable installation is of the whole checkout.

Wheels are apart: none has a file of another, and jan-ort's needs the distributions of ``openapi/`` and ``conformance/``
by their names. An editable installation has the packages of these folders too, and needs what they need, so that
``pip install -e .`` asks no index for a name of this project.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hatchling.build import (
    build_sdist,
    build_wheel,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)
from hatchling.builders.wheel import WheelBuilder

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]

PARTS = {"jan-ort-openapi": "openapi/jan_ort_openapi", "jan-ort-conformance": "conformance/jan_ort_conformance"}
"""The other distributions, and the package that each has."""


def build_editable(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel that makes this checkout importable, as PEP 660 has it."""
    builder = WheelBuilder(str(Path.cwd()), config=whole_checkout(Path.cwd()))
    return Path(next(builder.build(directory=wheel_directory, versions=["editable"]))).name


def whole_checkout(root: Path) -> dict[str, Any]:
    """Return jan-ort's pyproject.toml with the parts in it, where it names them."""
    whole = _read(root)
    project, extras = whole["project"], whole["project"]["optional-dependencies"]
    contract, kit = (_read((root / package).parent)["project"] for package in PARTS.values())
    project["dependencies"] = _of_others(project["dependencies"] + contract["dependencies"])
    extras["conformance"] = _of_others(kit["dependencies"] + kit["optional-dependencies"]["backend"])
    project["scripts"] |= kit["scripts"]
    project["entry-points"] |= kit["entry-points"]
    whole["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] += PARTS.values()
    return whole


def _read(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def _of_others(requirements: list[str]) -> list[str]:
    return [each for each in requirements if not each.startswith(tuple(PARTS))]
