"""The log in the cache folder: bounded, without secrets, and no reason to stop serving."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from jan_ort.http.bug_records.kept_log import MAX_LOG_BYTES, keep_log
from jan_ort.http.bug_records.record_folder import LOG, NUM_KEPT, kept, record_folder
from jan_ort.http.unknown_fields import UnknownFields
from jan_ort.settings.schema import Settings
from jan_ort_backends import BackendError
from jan_ort_openapi.models import CreateCompletionRequest

logger = logging.getLogger("jan_ort.test")


@pytest.fixture(autouse=True)
def no_handler_is_left() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.setLevel(logging.DEBUG)
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def log_of(cache: Path) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in kept(record_folder(cache), LOG))


def test_the_log_is_kept_without_prompts_users_and_secrets(tmp_path: Path) -> None:
    keep_log(Settings.read(cache_dir=tmp_path, api_key="sesame-42"))

    logger.debug("the prompt is Anna")
    logger.info("cmpl-1: 2 prompt tokens, 3 tokens/s, user %s", "anna@hanover.example")
    logger.warning("refused sesame-42 from %s", "a client")
    UnknownFields().log("createCompletion", CreateCompletionRequest.model_validate({"prompt": "a", "Anna": 1}))

    text = log_of(tmp_path)
    for line in ("cmpl-1: 2 prompt tokens", "user ***", "refused ***", "the field *** is not part of the API"):
        assert line in text
    assert [secret for secret in ("Anna", "hanover", "sesame") if secret in text] == []


def test_a_traceback_is_kept(tmp_path: Path) -> None:
    keep_log(Settings.read(cache_dir=tmp_path))

    try:
        raise ValueError("a bug")
    except ValueError:
        logger.exception("a request failed")

    assert "ValueError: a bug" in log_of(tmp_path)


@pytest.mark.parametrize(
    "room",
    [
        *("jan_ort.engine.engine_errors", "jan_ort.http.error_table", "jan_ort.plugins.session_guard"),
        *("jan_ort.serving.encoding", "hypercorn.error"),
    ],
)
@pytest.mark.parametrize("kept", ["filler", "prompts"])
def test_what_an_error_of_a_request_says_is_kept_only_if_wanted(tmp_path: Path, room: str, kept: str) -> None:
    """Its class and its frames are kept, also of the error that it came from."""
    stderr = logging.StreamHandler(io.StringIO())
    logging.getLogger().addHandler(stderr)
    keep_log(Settings.read(cache_dir=tmp_path, bug_records=kept))
    asker, said = logging.getLogger(room), "my name is Anna"

    try:
        try:
            {}[said]
        except KeyError as error:
            asker.warning("the backend failed in a step: %s", error)
            raise BackendError(f"cannot read {said}") from error
    except BackendError as error:
        asker.error("a step failed", exc_info=error)

    text = log_of(tmp_path)
    assert (said in text) == (kept == "prompts")
    for told in ("test_kept_log.py", "KeyError", "BackendError", "in a step: "):
        assert told in text
    assert f"cannot read {said}" in stderr.stream.getvalue()


async def test_what_an_error_says_that_nobody_awaited_is_not_kept(tmp_path: Path) -> None:
    keep_log(Settings.read(cache_dir=tmp_path))

    failed = asyncio.get_running_loop().create_future()
    failed.set_exception(ValueError("my name is Anna"))
    del failed
    gc.collect()

    text = log_of(tmp_path)
    assert "Future exception was never retrieved" in text
    assert ("ValueError" in text, "Anna" in text) == (True, False)


def test_the_log_is_bounded(tmp_path: Path) -> None:
    keep_log(Settings.read(cache_dir=tmp_path))

    for number in range(3 * MAX_LOG_BYTES // 1000):
        logger.info("%d %s", number, "x " * 500)

    sizes = [path.stat().st_size for path in kept(record_folder(tmp_path), LOG)]
    assert (len(sizes), max(sizes) <= MAX_LOG_BYTES) == (2, True)


def test_a_log_that_somebody_reads_goes_on_and_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows renames and removes no file that is open."""

    def refuse(*paths: object) -> None:
        raise PermissionError(13, "The process cannot access the file because it is being used by another process")

    keep_log(Settings.read(cache_dir=tmp_path))
    monkeypatch.setattr("os.rename", refuse)

    for number in range(3 * MAX_LOG_BYTES // 1000):
        logger.info("line %d %s", number, "x " * 500)

    (path,) = kept(record_folder(tmp_path), LOG)
    assert path.stat().st_size <= MAX_LOG_BYTES
    assert f"line {number} " in path.read_text()


def test_logs_of_earlier_servers_go(tmp_path: Path) -> None:
    folder = record_folder(tmp_path)
    folder.mkdir()
    for number in range(NUM_KEPT + 3):
        (folder / f"log-20261130-00000{number}-1.txt").write_text("old")

    keep_log(Settings.read(cache_dir=tmp_path))

    assert len(kept(folder, LOG)) == NUM_KEPT


@pytest.mark.parametrize("given", [{"bug_records": "off"}, {"cache_dir": "file"}])
def test_a_server_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")

    keep_log(Settings.read(**({"cache_dir": tmp_path} | given)))
    logger.info("a line")

    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_is_full_ends_the_file_and_not_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_log(Settings.read(cache_dir=tmp_path))
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, logging.FileHandler)
    handler.stream.close()

    logger.info("first")
    logger.info("second")

    assert "second" in caplog.text
    assert handler not in logging.getLogger().handlers
    assert capsys.readouterr().err == ""
