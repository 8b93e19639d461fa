"""Which mmproj file a GGUF model is read with, and that it is a part of what the folder is kept under."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from jan_ort.convert.mmproj_beside import find_mmproj
from jan_ort.ground.model_errors import ConversionError, ModelReferenceError
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.sources import find_source
from jan_ort.models.sources.base import Known, Wanted, check_mmproj
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.models.sources.hub import HubSource
from tests.fixtures.image_ggufs import write


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a model and the mmproj file beside it."""
    return write("idefics3", tmp_path)


def key_of(path: Path, wanted: Wanted) -> CacheKey | None:
    return GgufSource(path).key(wanted, lambda each: f"sha256 of {each.name}")


def test_the_file_beside_the_model_is_taken_and_known_by_its_content(files: tuple[Path, Path]) -> None:
    model, mmproj = files

    with_it, without = (key_of(model, Wanted(GENERATE, mmproj=each)) for each in (None, "none"))

    assert find_mmproj(model, None) == mmproj
    assert find_mmproj(model, "none") is None
    assert with_it is not None
    assert without is not None
    assert with_it.source != without.source
    assert without.source == f"sha256 of {model.name}"


def test_of_several_types_of_one_tower_the_most_usual_is_taken(files: tuple[Path, Path]) -> None:
    model, mmproj = files
    for kind in ("BF16", "Q8_0", "F32"):
        shutil.copy(mmproj, mmproj.with_name(mmproj.name.replace("F16", kind)))

    assert find_mmproj(model, None) == mmproj


def test_two_that_nothing_tells_apart_are_named_in_the_refusal(files: tuple[Path, Path]) -> None:
    model, mmproj = files
    shutil.copy(mmproj, mmproj.with_name("mmproj-other-F16.gguf"))

    with pytest.raises(ConversionError, match=r"2 mmproj files .*mmproj-other-F16.gguf.*--mmproj none for text only"):
        find_mmproj(model, None)


def test_one_of_another_model_is_told_of_and_left_out(
    files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    model, mmproj = files
    other = write("gemma3", model.parent)[1]
    other.rename(other.with_name("mmproj-F16.gguf"))

    with caplog.at_level(logging.WARNING):
        found = [find_mmproj(model, None) for _ in range(2)]

    assert found == [mmproj, mmproj]
    assert len(caplog.messages) == 1
    assert "belongs to a 'gemma3'" in caplog.messages[0]


def test_a_folder_with_a_model_and_its_mmproj_file_means_the_model(files: tuple[Path, Path]) -> None:
    assert find_source(str(files[0].parent), Known()) == GgufSource(files[0])


@pytest.mark.parametrize("wanted", [Wanted(GENERATE, "as-is"), Wanted(EMBED)], ids=["as it is", "embedding"])
def test_a_named_file_is_refused_where_no_image_would_be_read(wanted: Wanted, files: tuple[Path, Path]) -> None:
    model, mmproj = files
    named = Wanted(wanted.task, wanted.weights, mmproj=str(mmproj))

    with pytest.raises(ModelReferenceError, match="reads none"):
        key_of(model, named)
    key = key_of(model, wanted)
    assert key is not None
    assert key.source == f"sha256 of {model.name}"


def test_a_named_file_that_is_not_there_is_refused_by_name(files: tuple[Path, Path]) -> None:
    with pytest.raises(ModelReferenceError, match=r"--mmproj: no\.gguf does not exist"):
        key_of(files[0], Wanted(GENERATE, mmproj="no.gguf"))


def test_only_a_gguf_file_of_this_machine_has_one_named() -> None:
    source = find_source("org/repository", Known())

    assert isinstance(source, HubSource)
    check_mmproj(source, None)
    with pytest.raises(ModelReferenceError, match="for a GGUF file of this machine, and 'org/repository' is none"):
        check_mmproj(source, "mmproj.gguf")
