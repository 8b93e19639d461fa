"""Weights are told apart by samples: the whole of a small file, pieces of a large one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from jan_ort_backends.file_samples import file_samples

LARGE = 2**27 + 5
"""Twice as many bytes as are read of any file, and a few."""


def digest(path: Path) -> str:
    return hashlib.sha256(b"".join(file_samples(path))).hexdigest()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    with path.open("wb") as stream:
        stream.truncate(LARGE)
    return path


def write_at(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(position)
        stream.write(content)


@pytest.mark.parametrize("size", [0, 1, 2**16 + 1])
def test_a_small_file_is_read_whole(tmp_path: Path, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "weights").write_bytes(content[:size])

    assert b"".join(file_samples(tmp_path / "weights")) == str(size).encode() + content[:size]


def test_of_a_large_file_64_mb_are_read(large: Path) -> None:
    size, *pieces = file_samples(large)

    assert size == str(LARGE).encode()
    assert sum(map(len, pieces)) == 2**26


@pytest.mark.parametrize("position", [0, LARGE // 3, LARGE // 2, LARGE - 2**18])
def test_a_tensor_that_differs_anywhere_in_a_large_file_is_seen(large: Path, position: int) -> None:
    before = digest(large)

    write_at(large, position, b"\1" * 2**18)

    assert digest(large) != before


def test_the_last_byte_counts(large: Path) -> None:
    before = digest(large)

    write_at(large, LARGE - 1, b"\1")

    assert digest(large) != before
