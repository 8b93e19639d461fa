"""The table of weight schemes is what the settings, the resolver and the folders go by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
from gguf import GGMLQuantizationType as Type

from jan_ort.convert import convert_gguf
from jan_ort.convert.weights.schemes import AS_IS, SCHEMES, Weights
from jan_ort.ground.model_errors import CacheError
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources import resolve_model
from jan_ort.models.sources.base import WEIGHTS
from jan_ort.models.sources.catalog import SMOLLM2
from jan_ort.settings.schema import Settings
from tests.convert.graph.test_float16_products import wide_llama
from tests.convert.tiny_llama import TinyLlama


def test_every_scheme_can_be_chosen_and_no_other() -> None:
    assert get_args(Weights) == tuple(SCHEMES)
    assert (*SCHEMES, AS_IS) == WEIGHTS == get_args(Settings.model_fields["weights"].annotation)


@pytest.mark.parametrize("weights", list(SCHEMES))
def test_a_resolved_folder_says_how_its_weights_are_written(weights: Weights, tmp_path: Path) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")

    folder = resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache", weights=weights)

    assert json.loads((folder / "jan_ort.json").read_text())["weights"] == SCHEMES[weights].written_as


@pytest.mark.parametrize("weights", list(SCHEMES))
def test_a_file_of_4_bits_grows_by_no_more_than_the_table_says(weights: Weights, tmp_path: Path) -> None:
    source = wide_llama(Type.Q4_0, 8192).write(tmp_path / "wide.gguf")
    target = tmp_path / "target"
    target.mkdir()

    convert_gguf(source, target, weights=weights)

    converted_bytes = sum(path.stat().st_size for path in target.iterdir())
    assert converted_bytes <= SCHEMES[weights].growth * source.stat().st_size


@pytest.mark.parametrize(
    ("weights", "needed_mb"), [("int8", 300), ("int4", 300), ("fp16", 500), ("int4-fp16", 300), (AS_IS, 300)]
)
def test_the_catalogue_s_model_is_not_begun_without_the_disk_space_of_its_scheme(
    weights: str, needed_mb: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed_mb * 10**6 - 1))

    with pytest.raises(CacheError, match=f"{needed_mb} MB are needed"):
        resolve_model(SMOLLM2.name, task=GENERATE, cache_dir=tmp_path, weights=weights)


@pytest.mark.parametrize(("weights", "factor"), [("int8", 2), ("int4", 2), ("fp16", 4), ("int4-fp16", 2)])
def test_a_file_is_not_begun_to_be_converted_without_the_disk_space_of_its_scheme(
    weights: str, factor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TinyLlama().write(tmp_path / "tiny.gguf")
    free = factor * source.stat().st_size - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))

    with pytest.raises(CacheError, match="MB are needed"):
        resolve_model(str(source), task=GENERATE, cache_dir=tmp_path / "cache", weights=weights)
