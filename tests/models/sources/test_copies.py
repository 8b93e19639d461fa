"""A GGUF file that lies there under another name, too, is converted once, and each is served under its own name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from jan_ort.ground.progress import silent
from jan_ort.ground.task import EMBED, GENERATE
from jan_ort.models.cache.manifest import CONVERTER_VERSION
from jan_ort.models.sources.base import Wanted
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.serving.choice import check_settings, find_in
from jan_ort.settings.schema import Settings
from tests.convert.tiny_llama import TinyLlama
from tests.fixtures.gguf_models import write


def copied(path: Path, name: str) -> Path:
    return Path(shutil.copyfile(path, path.with_name(name)))


def served(path: Path, cache_dir: Path) -> tuple[Path, str]:
    """Return the folder and the name that a start serves a file by."""
    settings = Settings(model=[str(path)], cache_dir=cache_dir)
    checked = check_settings(settings)
    (choice,) = checked.choices
    folder = choice.source.make(choice.wanted(settings), cache_dir, silent)
    return folder, find_in(folder, choice, settings, checked.discovered).folder.name


def test_two_names_share_one_folder_and_each_is_served_under_its_own(tmp_path: Path) -> None:
    first = TinyLlama().write(tmp_path / "first.gguf")
    second = copied(first, "Second.Name.gguf")

    served_as = [served(path, tmp_path / "cache") for path in (first, second, first)]

    assert [name for _, name in served_as] == ["first", "Second.Name", "first"]
    assert len({folder for folder, _ in served_as}) == 1
    assert len(list((tmp_path / "cache" / "models").glob(f"*-v{CONVERTER_VERSION}"))) == 1
    assert GgufSource(second).present(Wanted(GENERATE), tmp_path / "cache") == served_as[0][0]


@pytest.mark.parametrize("weights", ["int4", "as-is"])
def test_other_weights_are_made_of_a_copy(weights: str, tmp_path: Path) -> None:
    first = TinyLlama().write(tmp_path / "first.gguf")
    made = GgufSource(first).make(Wanted(GENERATE), tmp_path / "cache")
    kept = GgufSource(first).make(Wanted(GENERATE, "as-is"), tmp_path / "cache")

    copy = GgufSource(copied(first, "copy.gguf")).make(Wanted(GENERATE, weights), tmp_path / "cache")

    assert copy not in (made, kept)


def test_a_damaged_folder_of_another_name_is_not_taken(tmp_path: Path) -> None:
    first = TinyLlama().write(tmp_path / "first.gguf")
    made = GgufSource(first).make(Wanted(GENERATE), tmp_path / "cache")
    (made / "tokenizer.json").write_text("{}")

    assert GgufSource(copied(first, "copy.gguf")).make(Wanted(GENERATE), tmp_path / "cache") != made


def test_what_embeds_is_not_shared_for_a_name_may_tell_how_it_pools(tmp_path: Path) -> None:
    first = write("bert-cls", tmp_path)
    folders = {GgufSource(path).make(Wanted(EMBED), tmp_path / "cache") for path in (first, copied(first, "copy.gguf"))}

    assert len(folders) == 2
