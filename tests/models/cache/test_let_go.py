"""Nothing of a folder is open or mapped when it is renamed or removed: Windows would do neither."""

from __future__ import annotations

import shutil
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from jan_ort.convert import convert_gguf
from jan_ort.ground import let_go
from jan_ort.models.cache.cached_models import find_cached, remove_cached
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.output_folder import output_folder
from tests.cli.commands.running import cache_model
from tests.convert.tiny_llama import TinyLlama

KEY = CacheKey("Tiny Model", "ab" * 32, "int8")
NEVER = 2.0


class Watch:
    """Notes what is still held at each renaming or removal of a folder; ``num_mapped`` maps were made at all."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.held: list[str] = []
        self._maps: list[tuple[weakref.ref[np.memmap], Path]] = []
        memmap, rename, remove = np.memmap, Path.rename, shutil.rmtree

        def mapped(path: Path, *arguments: Any) -> np.memmap:
            content = memmap(path, *arguments)
            self._maps.append((weakref.ref(content), path))
            return content

        patch.setattr(np, "memmap", mapped)
        patch.setattr(Path, "rename", lambda path, target: self._look(path) or rename(path, target))
        patch.setattr(shutil, "rmtree", lambda path, **how: self._look(path) or remove(path, **how))

    @property
    def num_mapped(self) -> int:
        return len(self._maps)

    def _look(self, folder: Path) -> None:
        used = [("mapped", path) for content, path in self._maps if content() is not None]
        used += [("open", Path(each.path)) for each in psutil.Process().open_files()]
        self.held += [f"{how} {path}" for how, path in used if path.is_relative_to(folder)]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(monkeypatch)


def convert(work: Path, model: Path, interrupted_at: float) -> None:
    def progress(stage: str, done: float) -> None:
        if done >= interrupted_at:
            raise KeyboardInterrupt

    convert_gguf(TinyLlama().write(work / "download.gguf"), model, weights="int8", progress=progress)


@pytest.mark.parametrize("interrupted_at", [NEVER, 0.3, 0.6])
def test_of_the_cache(tmp_path: Path, watch: Watch, interrupted_at: float) -> None:
    cache = ModelCache(tmp_path / "cache")

    with suppress(KeyboardInterrupt):
        cache.get_or_build(KEY, lambda work, model: convert(work, model, interrupted_at))

    assert watch.num_mapped > 0
    assert watch.held == []
    assert list(tmp_path.rglob(".tmp-*")) == []


@pytest.mark.parametrize("interrupted_at", [NEVER, 0.3, 0.6])
def test_of_a_folder_that_the_user_names(tmp_path: Path, watch: Watch, interrupted_at: float) -> None:
    with suppress(KeyboardInterrupt), output_folder(tmp_path / "named") as partial:
        (partial / "work").mkdir()
        (partial / "model").mkdir()
        convert(partial / "work", partial / "model", interrupted_at)

    assert watch.num_mapped > 0
    assert watch.held == []
    assert list(tmp_path.rglob(".named.tmp-*")) == []


def test_an_error_that_others_have_caused_holds_nothing_either(tmp_path: Path, watch: Watch) -> None:
    def build(work: Path, model: Path) -> None:
        try:
            convert(work, model, 0.3)
        except KeyboardInterrupt as interrupt:
            raise ValueError("stopped") from interrupt

    with pytest.raises(ValueError, match="stopped"):
        ModelCache(tmp_path).get_or_build(KEY, build)

    assert watch.num_mapped > 0
    assert watch.held == []


@pytest.fixture
def scanned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Windows with a scanner: it holds each new folder for a moment, so the first two attempts to change it fail."""
    tried: list[str] = []

    def held(path: Path) -> None:
        tried.append(path.name)
        if tried.count(path.name) < 3:
            raise PermissionError(5, "Access is denied", str(path))

    rename, remove = Path.rename, shutil.rmtree
    monkeypatch.setattr(Path, "rename", lambda path, target: held(path) or rename(path, target))
    monkeypatch.setattr(shutil, "rmtree", lambda path, **how: how or held(path) or remove(path, **how))
    monkeypatch.setattr(let_go, "_PAUSE_S", 0.0)
    monkeypatch.setattr("jan_ort.ground.let_go.sys.platform", "win32")
    return tried


def test_a_folder_that_a_scanner_has_open_for_a_moment_is_renamed_then(tmp_path: Path, scanned: list[str]) -> None:
    folder = ModelCache(tmp_path).get_or_build(KEY, lambda work, model: (model / "a").touch())
    with output_folder(tmp_path / "named") as partial:
        (partial / "b").touch()

    assert [(folder / "a").exists(), (tmp_path / "named/b").exists()] == [True, True]
    assert scanned.count("model") == 3


def test_it_is_removed_then(tmp_path: Path, scanned: list[str]) -> None:
    folder = cache_model(tmp_path, "mine")

    remove_cached(find_cached(tmp_path, folder.name))

    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == []


def test_what_is_refused_for_good_is_an_error_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jan_ort.ground.let_go.sys.platform", "win32")
    monkeypatch.setattr(let_go, "PATIENCE_S", 0.0)

    def refuse() -> None:
        raise PermissionError(5, "Access is denied")

    with pytest.raises(PermissionError):
        let_go.patiently(refuse)
