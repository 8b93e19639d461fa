import errno
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.ground.model_errors import CacheError
from jan_ort.models.cache.cached_models import cached_models
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache
from jan_ort.models.folder_files import MANIFEST
from jan_ort.settings.schema import default_cache_dir

KEY = CacheKey("Tiny Model", "ab" * 32, "int8")
EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def write_model(work: Path, model: Path) -> None:
    (work / "download").write_text("left here")
    (model / "model.onnx").write_bytes(b"graph")
    (model / "onnx").mkdir()
    (model / "onnx" / "weights").write_bytes(b"weights")


def never(work: Path, model: Path) -> None:
    raise AssertionError("the model was there already")


def files_under(root: Path) -> set[str]:
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return {name for name in found if not name.endswith(".lock")}


def test_a_built_folder_is_found_again_without_building(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)

    built = cache.get_or_build(KEY, write_model)

    assert cache.get_or_build(KEY, never) == built == cache.find(KEY)
    folder = f"models/{KEY.folder_name}"
    assert files_under(tmp_path) == {f"{folder}/{name}" for name in ("model.onnx", "onnx/weights", MANIFEST)}


def test_nothing_is_found_in_a_cache_that_does_not_exist(tmp_path: Path) -> None:
    assert ModelCache(tmp_path / "absent").find(KEY) is None
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    "other",
    [
        CacheKey("Tiny Model", "cd" * 32, "int8"),
        CacheKey("Tiny Model", "ab" * 32, "int4"),
        CacheKey("Tiny Model", "ab" * 32, "int8", converter_version=KEY.converter_version - 1),
        CacheKey("Other Model", "ab" * 32, "int8"),
    ],
)
def test_another_source_scheme_converter_or_name_is_another_folder(tmp_path: Path, other: CacheKey) -> None:
    cache = ModelCache(tmp_path)

    first, second = cache.get_or_build(KEY, write_model), cache.get_or_build(other, write_model)

    assert first != second


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a b/c:d", "CON", "ü", "x" * 300])
def test_a_name_cannot_leave_the_cache_directory(tmp_path: Path, name: str) -> None:
    folder = ModelCache(tmp_path).get_or_build(CacheKey(name, "ab" * 32, "int8"), write_model)

    assert folder.parent == tmp_path / "models"


def truncate(folder: Path) -> None:
    (folder / "onnx" / "weights").write_bytes(b"wei")


def remove(folder: Path) -> None:
    (folder / "model.onnx").unlink()


def drop_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def cut_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:40])


def write_over(content: str) -> Callable[[Path], object]:
    return lambda folder: (folder / MANIFEST).write_text(content)


def put_a_directory(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()


DAMAGES = [truncate, remove, drop_manifest, cut_manifest, put_a_directory]
DAMAGES += map(write_over, ("[1]", "null", "{}", '{"files": [1]}', '{"files": {"model.onnx": []}}', "[" * 200_000))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_made_again_and_said_so(tmp_path: Path, damage, caplog: pytest.LogCaptureFixture) -> None:
    cache = ModelCache(tmp_path)
    folder = cache.get_or_build(KEY, write_model)
    damage(folder)

    rebuilt = cache.get_or_build(KEY, write_model)

    assert rebuilt == folder == cache.find(KEY)
    assert (folder / "onnx" / "weights").read_bytes() == b"weights"
    assert "damaged" in caplog.text


@pytest.mark.parametrize("error", [ValueError("bad source"), KeyboardInterrupt()])
def test_a_build_that_ends_early_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def build(work: Path, model: Path) -> None:
        write_model(work, model)
        raise error

    with pytest.raises(type(error)):
        ModelCache(tmp_path).get_or_build(KEY, build)

    assert files_under(tmp_path) == set()
    assert ModelCache(tmp_path).find(KEY) is None


KILLED = """
import sys
from pathlib import Path
import psutil
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache

def build(work, model):
    (model / "model.onnx").write_bytes(b"half")
    psutil.Process().kill()

ModelCache(Path(sys.argv[1])).get_or_build(CacheKey("Tiny Model", "ab" * 32, "int8"), build)
"""


def test_what_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode in (-9, 15)  # by SIGKILL; by TerminateProcess with the status that psutil gives
    assert any("half" in path.read_text() for path in tmp_path.rglob("model.onnx"))

    ModelCache(tmp_path).get_or_build(CacheKey("Another", "cd" * 32, "int8"), write_model)

    assert {name.split("/")[1].split("-")[0] for name in files_under(tmp_path)} == {"another"}


def test_the_work_of_a_process_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)

    def build(work: Path, model: Path) -> None:
        ModelCache(tmp_path).remove_stale()
        write_model(work, model)

    assert cache.get_or_build(KEY, build) == cache.find(KEY)


RACER = """
import logging, sys, time
from pathlib import Path
from jan_ort.models.cache.manifest import CacheKey
from jan_ort.models.cache.model_cache import ModelCache

def write(name):
    with Path(sys.argv[1], name).open("a") as log:
        log.write("built\\n")

def build(work, model):
    write("builds")
    while Path(sys.argv[1], "begun").stat().st_size < 3 * len("built\\n"):
        time.sleep(0.05)
    time.sleep(1)
    (model / "model.onnx").write_bytes(b"graph")

logging.basicConfig(level=logging.INFO)
write("begun")
print(ModelCache(Path(sys.argv[1])).get_or_build(CacheKey("Tiny Model", "ab" * 32, "int8"), build))
"""


def test_of_several_processes_one_builds_and_the_others_wait_and_say_so(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path)]

    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [racer.communicate(timeout=60) for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert len({stdout for stdout, _ in outputs}) == 1
    assert (tmp_path / "builds").read_text() == "built\n"
    assert sum("waiting for another process" in stderr for _, stderr in outputs) == 2


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    def build(work: Path, model: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(model / "model.onnx"))

    with pytest.raises(CacheError, match="is full; free some space, or set JAN_ORT_CACHE_DIR") as caught:
        ModelCache(tmp_path).get_or_build(KEY, build)

    assert "\n" not in str(caught.value)
    assert files_under(tmp_path) == set()


def test_too_little_disk_space_is_known_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="1000000000000 MB are needed"):
        ModelCache(tmp_path).get_or_build(KEY, never, work_bytes=10**18)


def test_a_cache_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a directory")

    with pytest.raises(CacheError, match=r"file is not writable .*JAN_ORT_CACHE_DIR") as caught:
        ModelCache(in_the_way).get_or_build(KEY, never)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nul.v2", "AUX.Q8_0", "com1.x"])
def test_a_name_that_windows_takes_for_a_device_is_a_folder_all_the_same(tmp_path: Path, name: str) -> None:
    built = ModelCache(tmp_path).get_or_build(CacheKey(name, "ab" * 32, "int8"), write_model)

    assert built.name.split(".")[0] not in ("nul", "aux", "com1")
    assert (built / "onnx" / "weights").read_bytes() == b"weights"


def test_checksums_that_somebody_reads_are_no_reason_to_fail(tmp_path: Path) -> None:
    cache, one, other = ModelCache(tmp_path / "cache"), tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"")
    other.write_bytes(b"")
    cache.file_sha256(one)

    with (tmp_path / "cache" / "checksums.json").open():  # Windows does not replace it then
        told = cache.file_sha256(other)

    assert told == EMPTY_SHA256
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["checksums.json"]


def test_a_checksum_is_computed_once_until_the_file_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache, source = ModelCache(tmp_path / "cache"), tmp_path / "source"
    source.write_bytes(b"one")
    first = cache.file_sha256(source)
    memo = tmp_path / "cache" / "checksums.json"
    known = json.loads(memo.read_text())
    known[str(source.resolve())]["sha256"] = "remembered"
    memo.write_text(json.dumps(known))

    remembered = cache.file_sha256(source)
    source.write_bytes(b"other")

    assert remembered == "remembered"
    assert cache.file_sha256(source) not in (first, "remembered")


MEMOS = [b"{", b"[1]", b"null", b'{"a": 1}', b"\x00\xff\xfe", b"[" * 200_000]


@pytest.mark.parametrize("content", MEMOS, ids=range(len(MEMOS)))
def test_a_damaged_memo_of_checksums_is_replaced(tmp_path: Path, content: bytes) -> None:
    source, memo = tmp_path / "source", tmp_path / "checksums.json"
    source.write_bytes(b"")
    memo.write_bytes(content)
    cache = ModelCache(tmp_path)

    known = cache.known_sha256(source)
    digest = cache.file_sha256(source)

    assert known is None
    assert digest == cache.known_sha256(source) == EMPTY_SHA256
    assert json.loads(memo.read_text())[str(source.resolve())]["sha256"] == digest


def test_an_unreadable_memo_of_checksums_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "source").write_bytes(b"")
    (tmp_path / "checksums.json").write_text("{")

    with caplog.at_level(logging.WARNING):
        ModelCache(tmp_path).file_sha256(tmp_path / "source")

    assert "unreadable" in caplog.text


@pytest.mark.parametrize("entry", [1, None, [1], {}, {"sha256": 7}, {"fingerprint": {}, "sha256": "x"}])
def test_a_damaged_entry_of_the_memo_counts_as_unknown(tmp_path: Path, entry: object) -> None:
    source, memo = tmp_path / "source", tmp_path / "checksums.json"
    source.write_bytes(b"")
    memo.write_text(json.dumps({str(source.resolve()): entry, "other": 1}))

    assert ModelCache(tmp_path).file_sha256(source) == EMPTY_SHA256
    assert ModelCache(tmp_path).known_sha256(source) == EMPTY_SHA256


@pytest.mark.parametrize("content", [(), ("diary.txt",)])
def test_a_directory_in_the_place_of_the_memo_ends_nothing(tmp_path: Path, content: tuple[str, ...]) -> None:
    (tmp_path / "source").write_bytes(b"")
    (tmp_path / "checksums.json").mkdir()
    for name in content:
        (tmp_path / "checksums.json" / name).touch()

    digest = ModelCache(tmp_path).file_sha256(tmp_path / "source")

    assert digest == EMPTY_SHA256
    assert [path.name for path in tmp_path.glob("checksums.json/*")] == [*content]
    assert (ModelCache(tmp_path).known_sha256(tmp_path / "source") is None) is bool(content)


def test_the_default_directory_is_the_programs_own() -> None:
    assert "jan-ort" in default_cache_dir().parts


def test_a_linked_file_is_not_opened_for_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"weights")
    source.chmod(0o444)
    written: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: written.append(os.fstat(descriptor).st_ino))

    def build(work: Path, model: Path) -> None:
        (model / "linked").hardlink_to(source)
        (model / "own").write_bytes(b"graph")

    folder = ModelCache(tmp_path / "cache").get_or_build(KEY, build)

    assert written == [(folder / name).stat().st_ino for name in ("own", MANIFEST)]
    assert (folder / "linked").samefile(source)


def test_a_checksum_that_is_not_remembered_is_not_computed_to_know_it(tmp_path: Path) -> None:
    cache, source = ModelCache(tmp_path / "cache"), tmp_path / "source"
    source.write_bytes(b"one")

    unknown = cache.known_sha256(source)

    assert unknown is None
    assert not (tmp_path / "cache").exists()
    assert cache.file_sha256(source) == cache.known_sha256(source)


@pytest.mark.parametrize("place", ["", "models"])
def test_a_cache_that_cannot_be_read_is_named_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "models").mkdir()
    scandir = os.scandir

    def refuse(path: Path) -> object:  # as for another user's directory, which root may read
        if Path(path) == tmp_path / place:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    for look in (lambda: ModelCache(tmp_path).find(CacheKey("m", "0", "int8")), lambda: cached_models(tmp_path)):
        with pytest.raises(CacheError, match=r"cannot be read \(Permission denied\); change its mode, or set JAN"):
            look()
