"""What this repository builds: distributions in step, no file in two of them, each with all that its packages have."""

from __future__ import annotations

import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

import jan_ort_conformance
from jan_ort import __version__
from scripts import checkout_build

ROOT = Path(__file__).parents[1]
FOLDERS = {"jan-ort": ".", "jan-ort-openapi": "openapi", "jan-ort-conformance": "conformance"}
PACKAGES = {
    "jan-ort": {"jan_ort", "jan_ort_backends", "jan_ort_onnxruntime"},
    "jan-ort-openapi": {"jan_ort_openapi"},
    "jan-ort-conformance": {"jan_ort_conformance"},
}
SOURCE_ROOTS = (ROOT, ROOT / "backends", ROOT / "openapi", ROOT / "conformance")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, zipfile.ZipFile]:
    """The wheel of each distribution, as ``python -m build`` makes it."""
    target = str(tmp_path_factory.mktemp("wheels"))
    builders = {name: WheelBuilder(str(ROOT / folder)) for name, folder in FOLDERS.items()}
    return {
        name: zipfile.ZipFile(next(builder.build(directory=target, versions=["standard"])))
        for name, builder in builders.items()
    }


def files_of(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def part_of(wheel: zipfile.ZipFile, ending: str) -> str:
    (name,) = [name for name in wheel.namelist() if name.endswith(f".dist-info/{ending}")]
    return wheel.read(name).decode()


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    return Parser().parsestr(part_of(wheel, "METADATA"))


def ours_needed(told: Message) -> set[str]:
    return {each for each in told.get_all("Requires-Dist") or () if each.startswith("jan-ort")}


def test_each_wheel_holds_its_packages_whole(wheels: dict[str, zipfile.ZipFile]) -> None:
    kept = {name: {path.partition("/")[0] for path in files_of(wheel)} for name, wheel in wheels.items()}
    there = {
        path.relative_to(root).as_posix()
        for root in SOURCE_ROOTS
        for package in set().union(*PACKAGES.values())
        for path in (root / package).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }

    assert kept == PACKAGES
    assert sorted(there) == sorted(name for wheel in wheels.values() for name in files_of(wheel))


def test_a_command_is_of_one_distribution(wheels: dict[str, zipfile.ZipFile]) -> None:
    commands = {
        line
        for name in ("jan-ort", "jan-ort-conformance")
        for line in part_of(wheels[name], "entry_points.txt").splitlines()
        if line.startswith(name) and ".__main__:" in line
    }

    assert commands == {"jan-ort = jan_ort.__main__:run", "jan-ort-conformance = jan_ort_conformance.__main__:run"}
    assert "jan-ort-conformance =" not in part_of(wheels["jan-ort"], "entry_points.txt")


def test_versions_are_in_step(wheels: dict[str, zipfile.ZipFile]) -> None:
    told = {name: metadata_of(wheel) for name, wheel in wheels.items()}

    assert {each["Version"] for each in told.values()} == {__version__, jan_ort_conformance.__version__}
    assert ours_needed(told["jan-ort-openapi"]) == set()
    assert ours_needed(told["jan-ort-conformance"]) == {
        f"jan-ort-openapi=={__version__}",
        f"jan-ort=={__version__}; extra == 'backend'",
    }
    assert ours_needed(told["jan-ort"]) >= {
        f"jan-ort-openapi=={__version__}",
        f"jan-ort-conformance[backend]=={__version__}; extra == 'conformance'",
    }


def test_an_editable_checkout_is_whole_and_asks_no_index_for_ours() -> None:
    whole = checkout_build.whole_checkout(ROOT)

    project: dict[str, Any] = whole["project"]
    asked = [each for needs in (project["dependencies"], *project["optional-dependencies"].values()) for each in needs]
    assert {each for each in asked if each.startswith(tuple(checkout_build.PARTS))} == set()
    assert set(project["scripts"]) == {"jan-ort", "jan-ort-conformance"}
    packages = whole["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {Path(each).name for each in packages} == set().union(*PACKAGES.values())


def test_an_editable_checkout_needs_what_the_parts_need() -> None:
    needs = checkout_build.whole_checkout(ROOT)["project"]
    contract, kit = (
        set(tomllib.loads((ROOT / name / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"])
        for name in ("openapi", "conformance")
    )

    assert contract <= set(needs["dependencies"])
    assert kit - {f"jan-ort-openapi=={__version__}"} <= set(needs["optional-dependencies"]["conformance"])
