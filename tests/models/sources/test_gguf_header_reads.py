"""How often a start reads the header of a GGUF file, whose vocabulary may be large: once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jan_ort.convert.inputs import gguf_header
from jan_ort.convert.inputs.gguf_header import GgufHeader
from jan_ort.ground.progress import silent
from jan_ort.models.sources.gguf import GgufSource
from jan_ort.serving.choice import check_settings
from jan_ort.settings.schema import Settings
from tests.convert.tiny_llama import TinyLlama


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[GgufHeader]:
    """Return a list that has an entry for each header that is read from a file."""
    found: list[GgufHeader] = []

    class Counted(gguf_header._Cursor):
        def header(self) -> GgufHeader:
            found.append(super().header())
            return found[-1]

    monkeypatch.setattr(gguf_header, "_Cursor", Counted)
    return found


def start(path: Path, cache_dir: Path) -> None:
    """Do what a start does of a model until its folder is there."""
    settings = Settings(model=[str(path)], cache_dir=cache_dir)
    (choice,) = check_settings(settings).choices
    choice.source.make(choice.wanted(settings), cache_dir, silent)


@pytest.mark.parametrize("split", [0, 8])
def test_a_start_reads_each_header_once_and_keeps_none(split: int, tmp_path: Path, reads: list[GgufHeader]) -> None:
    TinyLlama(split_tensors=split).write(tmp_path / "tiny.gguf")
    parts = sorted(tmp_path.glob("*.gguf"))

    start(parts[0], tmp_path / "cache")
    first = len(reads)
    start(parts[0], tmp_path / "cache")

    assert (first, len(reads)) == (len(parts), 2 * len(parts))
    assert {path for path, *_ in gguf_header._kept}.isdisjoint(parts)  # other tests may have asked of other files


def test_a_file_that_was_written_again_is_read_again(tmp_path: Path, reads: list[GgufHeader]) -> None:
    path = TinyLlama().write(tmp_path / "tiny.gguf")
    source = GgufSource(path)
    source.stated_task()
    os.utime(path, ns=(1, 1))

    source.stated_task()

    assert len(reads) == 2
