"""A new kind of source is one class and one entry of the list; everything that takes models then takes it."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest

from jan_ort.cli.doctor.examination import examine_all
from jan_ort.ground.model_errors import ModelReferenceError
from jan_ort.ground.progress import Progress, silent
from jan_ort.ground.task import EMBED, GENERATE, Task
from jan_ort.models import sources
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.sources.base import Known, MadeSource, Sha256, Wanted
from jan_ort.serving.choice import check_settings
from jan_ort.serving.loading import ModelLoader
from jan_ort.settings.schema import Settings
from jan_ort_backends.reference import ReferenceBackend
from tests.cli.commands.running import last_error, run


@dataclass(frozen=True)
class ToySource(MadeSource):
    """``toy:NAME``, which becomes a copy of the reference model."""

    name: str
    needs: ClassVar[Literal["download"]] = "download"

    def __str__(self) -> str:
        return f"toy:{self.name}"

    @classmethod
    def parse(cls, text: str, known: Known) -> Self | None:
        scheme, colon, name = text.partition(":")
        if (scheme, colon) != ("toy", ":"):
            return None
        if not name:
            raise ModelReferenceError("a toy has a name: toy:NAME")
        return cls(name)

    def stated_task(self) -> Task:
        return EMBED if self.name.startswith("embedding") else GENERATE

    def key(self, wanted: Wanted, sha256: Sha256) -> CacheKey:
        return CacheKey(self.name, self.name.encode().hex().ljust(64, "0"), wanted.scheme)

    def work_bytes(self, wanted: Wanted) -> int:
        return 1000

    def build(self, wanted: Wanted, key: CacheKey, work: Path, target: Path, progress: Progress) -> None:
        progress(f"Winding {self}", 0.0)
        shutil.copytree(ReferenceBackend.builtin_models["reference"], target, dirs_exist_ok=True)
        stated = json.loads((target / "jan_ort.json").read_bytes())
        (target / "jan_ort.json").write_text(json.dumps(stated | {"name": self.name, "task": wanted.task.name}))


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SOURCES", (ToySource, *sources.SOURCES))


@pytest.fixture
def flags(tmp_path: Path) -> dict[str, Any]:
    given = {"model": ("toy:bear",), "embedding_model": ("toy:embedding-bear",)}
    return given | {"cache_dir": tmp_path, "backend": "reference", "port": 0}


@pytest.mark.parametrize(("name", "task"), [("bear", "generate"), ("embedding-bear", "embed")])
def test_a_toy_is_pulled_listed_and_removed(tmp_path: Path, name: str, task: str) -> None:
    cache = ("--cache-dir", str(tmp_path))

    pulled = run("models", "pull", f"toy:{name}", *cache)
    (listed,) = json.loads(run("models", "list", "--json", *cache).stdout)["cached"]
    removed = run("models", "remove", name, "--yes", *cache)

    assert pulled.exit_code == 0, pulled.output
    assert pulled.stdout.strip() == listed["folder"]
    assert (listed["name"], listed["task"], listed["damage"]) == (name, task, None)
    assert (removed.exit_code, Path(listed["folder"]).exists()) == (0, False)


def test_a_server_makes_the_toy_at_its_first_start_and_finds_it_at_the_second(flags: dict[str, Any]) -> None:
    settings = Settings.read(**flags)
    stages: list[str] = []

    def found() -> list[str]:
        discovered, choices = check_settings(settings)
        loader = ModelLoader(settings, discovered, lambda *events: None, lambda: False)
        return [loader.find(each, lambda stage, fraction: stages.append(stage)).folder.name for each in choices]

    first = found()

    assert stages == ["Winding toy:bear", "Winding toy:embedding-bear"]
    assert first == found() == ["bear", "embedding-bear"]
    assert len(stages) == 2


def test_the_doctor_says_what_is_there(flags: dict[str, Any]) -> None:
    before = examine_all(flags)
    sources.find_source("toy:bear", Known()).make(Wanted(GENERATE), flags["cache_dir"], silent)
    after = examine_all(flags)

    assert [(each.state, each.needs_bytes) for each in before.models] == [("to be fetched", 1000)] * 2
    assert [(each.state, each.device is not None) for each in after.models] == [
        ("cached", True),
        ("to be fetched", False),
    ]
    assert before.problems == after.problems == ()


@pytest.mark.parametrize(
    ("arguments", "needle"),
    [
        (["models", "pull", "toy:"], "a toy has a name: toy:NAME"),
        (
            ["models", "pull", "toy:bear", "--task", "embed"],
            "the model 'toy:bear' generates text, but one that makes embeddings is needed here",
        ),
        (
            ["serve", "--port", "0", "--backend", "reference", "--embedding-model", "toy:bear"],
            "'toy:bear' generates text",
        ),
    ],
)
def test_a_toy_that_cannot_be_right_is_refused(arguments: list[str], needle: str) -> None:
    assert needle in last_error(run(*arguments))
