"""Models in the cache are found by name, and by the weights that they were converted to."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.ground.model_errors import CacheError
from jan_ort.models.cache.cached_models import cached_models, find_cached
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.folder_files import MANIFEST
from jan_ort.models.sources.hub import HubSource
from jan_ort.models.sources.hub_files import HubId


def add(cache_dir: Path, name: str, weights: str) -> None:
    key = CacheKey(name, weights.encode().hex().ljust(64, "0"), weights)
    ModelCache(cache_dir).get_or_build(key, lambda work, target: (target / "model.onnx").touch())


@pytest.mark.parametrize("weights", ["int4", "int4-fp16"])
def test_a_model_is_found_by_exactly_its_weights(tmp_path: Path, weights: str) -> None:
    add(tmp_path, "m", "int4")
    add(tmp_path, "m", "int4-fp16")

    assert find_cached(tmp_path, "m", weights).weights == weights


def test_of_several_the_folder_has_to_be_named(tmp_path: Path) -> None:
    add(tmp_path, "m", "int4")
    add(tmp_path, "m", "int8")

    with pytest.raises(CacheError, match="2 cached models are named 'm'; name one by --weights or its folder: m-int4-"):
        find_cached(tmp_path, "m")


def test_a_misspelt_name_is_recognised(tmp_path: Path) -> None:
    add(tmp_path, "smollm", "int8")

    with pytest.raises(CacheError, match="did you mean 'smollm'"):
        find_cached(tmp_path, "smolm")


def test_a_model_is_found_by_the_path_that_other_commands_print(tmp_path: Path) -> None:
    add(tmp_path, "m", "int4")
    add(tmp_path, "m", "int8")
    (folder,) = (tmp_path / "models").glob("m-int4-*")

    assert find_cached(tmp_path, str(folder)).folder == folder


def test_weights_that_are_not_there_are_told_with_those_that_are(tmp_path: Path) -> None:
    add(tmp_path, "m", "int4")
    add(tmp_path, "m", "int8")

    with pytest.raises(CacheError, match=r"no model 'm' with fp16 weights .*; it has int4, int8"):
        find_cached(tmp_path, "m", "fp16")


NOTHING = [b"[1]", b"null", b"{", b"\xff\x00", b'{"name": [], "weights": {}, "source": [1], "files": 7, "task": []}']


@pytest.mark.parametrize("file", [MANIFEST, "jan_ort.json", "config.json"])
@pytest.mark.parametrize("content", NOTHING, ids=range(len(NOTHING)))
def test_a_folder_with_a_damaged_file_is_listed_and_found(tmp_path: Path, file: str, content: bytes) -> None:
    add(tmp_path, "m", "int4")
    (folder,) = (tmp_path / "models").glob("m-int4-*")
    (folder / file).write_bytes(content)

    (model,) = cached_models(tmp_path)

    assert (model.folder, model.task in ("?", "generate")) == (folder, True)
    assert (model.damage is None) is (file != MANIFEST)
    assert HubSource(HubId("o/m")).known_task(tmp_path) is None


@pytest.mark.parametrize("stated", [True, False])
def test_what_a_model_is_for_is_told_without_its_tokenizer(tmp_path: Path, stated: bool) -> None:
    add(tmp_path, "m", "float32")
    (folder,) = (tmp_path / "models").glob("m-float32-*")
    (folder / "tokenizer.json").write_bytes(b"megabytes that are not parsed")
    name, content = ("jan_ort.json", '{"task": "embed"}') if stated else ("modules.json", "[]")
    (folder / name).write_text(content)

    (model,) = cached_models(tmp_path)

    assert model.task == "embed"
