"""Files of cached prompts: checked, of one key, for their owner alone, and no more of them than are wanted."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from jan_ort.engine.prefix_files import MAX_PENDING, PrefixFiles, StoredPrefix

TOKENS = np.arange(40)
STATE = np.random.default_rng(0).integers(0, 256, 1001).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prefixes"


def written(folder: Path, key: str = "key", scope: str = "scope", tokens: np.ndarray = TOKENS) -> Path:
    files = PrefixFiles(folder, key, 10**6)
    stored = files.write(scope, tokens, STATE)
    files.close()
    assert stored is not None
    return stored.path


def opened(folder: Path, key: str = "key", max_bytes: int = 10**6) -> list[StoredPrefix]:
    files = PrefixFiles(folder, key, max_bytes)
    found = list(files.found())
    files.close()
    return found


def test_what_was_written_is_found_and_read(folder: Path) -> None:
    written(folder)

    files = PrefixFiles(folder, "key", 10**6)
    (stored,) = files.found()

    assert (stored.scope, stored.num_bytes, files.num_bytes) == ("scope", len(STATE), len(STATE))
    assert stored.tokens.dtype == np.int64
    assert np.array_equal(stored.tokens, TOKENS)
    assert np.array_equal(files.read(stored), STATE)  # type: ignore[arg-type]
    files.close()


def test_another_model_finds_nothing(folder: Path) -> None:
    written(folder)

    assert opened(folder, "other") == []
    assert len(opened(folder)) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permissions of this kind")
def test_only_the_user_of_the_server_may_read_them(folder: Path) -> None:
    path = written(folder)

    modes = [oct(each.stat().st_mode & 0o777) for each in (folder, path.parent, path)]
    assert modes == ["0o700", "0o700", "0o600"]


@pytest.mark.parametrize("at", [0, 20, 60, 150, 400, 700, 900, -1])
def test_a_damaged_file_is_left_out(folder: Path, at: int, caplog: pytest.LogCaptureFixture) -> None:
    path = written(folder)
    files = PrefixFiles(folder, "key", 10**6)
    (before,) = files.found()
    content = bytearray(path.read_bytes())
    content[at] ^= 0x11
    path.write_bytes(content)

    assert files.read(before) is None
    assert "cached prompt cannot be read" in caplog.text
    for stored in opened(folder):  # a state is not read at the start
        assert files.read(stored) is None
    files.close()


@pytest.mark.parametrize(
    "content", [b"", b"jan-ort prefix 1\n", b"jan-ort prefix 1\n[]\n", b"jan-ort prefix 1\n{}\n", b"x" * 9999]
)
def test_what_is_no_such_file_is_left_out_and_removed(
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(folder)
    path.write_bytes(content)

    assert opened(folder) == []
    assert not path.exists()
    assert "is left out and removed" in caplog.text


def test_a_cut_file_is_left_out(folder: Path) -> None:
    path = written(folder)
    path.write_bytes(path.read_bytes()[:-1])

    assert opened(folder) == []


def test_what_there_is_no_room_for_is_removed_the_oldest_first_of_any_model(folder: Path) -> None:
    paths = [written(folder, key, tokens=TOKENS + at) for at, key in enumerate(("old version", "key", "key"))]
    for at, path in enumerate(paths):
        os.utime(path, (1000 + at, 1000 + at))

    found = opened(folder, max_bytes=3200)

    assert [stored.path for stored in found] == [paths[2], paths[1]]
    assert [path.exists() for path in paths] == [False, True, True]


def test_what_a_process_has_left_unfinished_is_removed_after_an_hour(folder: Path) -> None:
    path = written(folder)
    for name, age in (("old.1.unfinished", 10**4), ("new.2.unfinished", 0)):
        left = path.parent / name
        left.touch()
        os.utime(left, (left.stat().st_mtime - age,) * 2)

    opened(folder)

    assert sorted(each.name for each in path.parent.glob("*.unfinished")) == ["new.2.unfinished"]


def test_what_cannot_be_written_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = PrefixFiles(folder, "key", 10**6)
    files._folder.rmdir()

    stored = files.write("", TOKENS, STATE)

    assert stored is not None
    assert files.read(stored) is None
    assert "cached prompt cannot be written" in caplog.text
    files.close()


def test_who_writes_faster_than_the_disk_keeps_it_in_memory_only(folder: Path) -> None:
    files = PrefixFiles(folder, "key", 10**6)
    gate = threading.Event()
    files._writer.submit(gate.wait)

    stored = [files.write("", TOKENS + at, STATE) for at in range(MAX_PENDING + 2)]
    gate.set()
    files.close()

    assert [each is None for each in stored] == [False] * MAX_PENDING + [True] * 2


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nowhere"):
        PrefixFiles(tmp_path / "nowhere" / "prefixes", "key", 1)
