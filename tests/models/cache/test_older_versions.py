"""Folders that an older version has converted are made again; what was only fetched is used as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from jan_ort.models.cache.cached_models import cached_models
from jan_ort.models.cache.manifest import CONVERTER_VERSION, CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known
from tests.cli.commands.running import run

OLD, NEW = (CacheKey("m", "0" * 64, "int8", version) for version in (CONVERTER_VERSION - 1, CONVERTER_VERSION))


def fetched(work: Path, target: Path) -> None:
    (target / "config.json").write_text(json.dumps({"max_position_embeddings": 8}))
    (target / "model.onnx").touch()
    (target / "tokenizer.json").write_text("{}")


def converted(work: Path, target: Path) -> None:
    fetched(work, target)
    (target / "jan_ort.json").write_text(json.dumps({"format": 1, "task": "generate", "context_length": 8}))


def test_an_old_conversion_is_made_again_and_listed_with_the_way_to_remove_it(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    old = cache.get_or_build(OLD, converted)

    assert cache.find(NEW) is None
    new = cache.get_or_build(NEW, converted)

    assert new != old
    assert {model.folder: model.is_current for model in cached_models(tmp_path)} == {old: False, new: True}
    listed = run("models", "list", "--cache-dir", str(tmp_path)).stdout
    assert "(of an older version)" in listed
    assert "'jan-ort models remove --old' frees 0.0 MB" in listed
    assert run("models", "remove", "--old", "--yes", "--cache-dir", str(tmp_path)).exit_code == 0
    assert [model.folder for model in cached_models(tmp_path)] == [new]
    assert "older version" not in run("models", "list", "--cache-dir", str(tmp_path)).stdout


def test_what_is_old_and_not_in_use_is_removed(tmp_path: Path) -> None:
    first, second = (ModelCache(tmp_path).get_or_build(replace(OLD, name=name), converted) for name in ("a", "b"))
    use = ModelUse(first)

    result = run("models", "remove", "--old", "--yes", "--cache-dir", str(tmp_path))
    use.close()

    assert result.exit_code == 1
    assert f"{first.name} is in use by process" in result.stderr
    assert [model.folder for model in cached_models(tmp_path)] == [first]
    assert not second.exists()


@pytest.mark.parametrize("arguments", [(), ("m", "--old")], ids=["neither", "both"])
def test_what_is_removed_has_a_name_or_is_all_that_is_old(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run("models", "remove", *arguments, "--yes", "--cache-dir", str(tmp_path))

    assert result.exit_code == 2
    assert "Give either NAME or --old." in result.stderr


def test_by_its_name_the_new_one_is_meant(tmp_path: Path) -> None:
    folders = [ModelCache(tmp_path).get_or_build(key, converted) for key in (OLD, NEW)]

    assert str(find_source("m", Known(cache_dir=tmp_path))) == str(folders[1])


@pytest.mark.parametrize("damaged", [False, True])
def test_what_was_only_fetched_is_not_fetched_again(tmp_path: Path, damaged: bool) -> None:
    cache = ModelCache(tmp_path)
    old = cache.get_or_build(OLD, fetched)
    if damaged:
        (old / "model.onnx").unlink()

    assert cache.find(NEW) == (None if damaged else old)
    assert [model.is_current for model in cached_models(tmp_path)] == [True]
