"""What the workflows name is there: an environment that tox lacks, or a folder that has moved, runs nothing."""

from __future__ import annotations

import configparser
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def expanded(name: str) -> set[str]:
    """Return the names that tox makes of ``a-{b,c}``."""
    parts = [part.split(",") for part in re.split(r"[{}]", name)]
    return {"".join(each) for each in itertools.product(*parts)}


def matrices(path: Path) -> Iterator[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text("utf-8"))["jobs"].values()
    return (job["strategy"]["matrix"] for job in jobs if "strategy" in job)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_its_environments_are_tox_s(path: Path) -> None:
    config = configparser.RawConfigParser(strict=False)
    config.read(ROOT / "tox.ini", "utf-8")
    known = set().union(*(expanded(each.removeprefix("testenv:")) for each in config.sections()))

    named = {each for matrix in matrices(path) for each in matrix.get("environment", ())}

    assert named - known == set()


def test_what_runs_under_wine_is_there() -> None:
    rows = [row for path in WORKFLOWS for matrix in matrices(path) for row in matrix.get("include", ())]
    folders = [folder for row in rows for folder in row["tests"].split()]

    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    assert len(folders) == len(set(folders)) > 10
