"""Large files are read in blocks: with the right result, with progress, and until somebody stops it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jan_ort.ground.file_blocks import BLOCK_BYTES, copy_in_blocks, sha256_in_blocks
from jan_ort.ground.progress import silent


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1])
def test_checksum_and_copy_are_those_of_the_whole_file(tmp_path: Path, size: int) -> None:
    content = (b"0123456" * (size // 7 + 1))[:size]
    (tmp_path / "source").write_bytes(content)

    digest = sha256_in_blocks(tmp_path / "source", silent)
    copy_in_blocks(tmp_path / "source", tmp_path / "copy", silent)

    assert digest == hashlib.sha256(content).hexdigest()
    assert (tmp_path / "copy").read_bytes() == content


def test_progress_is_shown_from_nothing_to_all(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(bytes(4 * BLOCK_BYTES))
    shown: list[tuple[str, float]] = []

    sha256_in_blocks(tmp_path / "source", lambda stage, fraction: shown.append((stage, fraction)))

    assert shown == [("Reading source", done / 4) for done in range(5)]
