"""A file that must hold a JSON object, and holds anything else."""

from __future__ import annotations

from pathlib import Path

import pytest

from jan_ort.ground.json_object import object_in, read_object, read_object_or_empty, text_in

WRONG = [
    b"[1]",
    b"null",
    b"7",
    b'"text"',
    b"",
    b"{",
    b"\x00\xff\xfe binary \x80",
    b"[" * 200_000,
    b'{"a": 1' + b"0" * 5000,
]


@pytest.mark.parametrize("content", WRONG, ids=range(len(WRONG)))
def test_what_is_no_object_is_one_kind_of_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(ValueError, match=r"is not valid JSON|holds no JSON object"):
        read_object(tmp_path / "file")
    assert read_object_or_empty(tmp_path / "file") == {}


def test_a_directory_is_no_object(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is a directory"):
        read_object(tmp_path)
    assert read_object_or_empty(tmp_path) == read_object_or_empty(tmp_path / "absent") == {}


def test_a_part_of_another_type_counts_as_absent() -> None:
    content = {"list": [1], "number": 7, "object": {"a": 1}, "text": "t"}

    assert [object_in(content, key) for key in (*content, "absent")] == [{}, {}, {"a": 1}, {}, {}]
    assert [text_in(content, key) for key in (*content, "absent")] == ["", "", "", "t", ""]
