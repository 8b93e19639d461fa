"""The file for a bug report: what it holds, what it never holds, and how a user is told."""

from __future__ import annotations

import errno
import json
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from click.testing import CliRunner, Result

from jan_ort.cli.program import main
from jan_ort.http.api_error import ApiError
from jan_ort.http.bug_records.failed_requests import Asked, recorded
from jan_ort.http.bug_records.filler import Filler
from jan_ort.http.bug_records.kept_log import keep_log
from jan_ort.http.bug_records.record_folder import record_folder, write_private
from jan_ort.settings.schema import Settings
from tests.http.handlers.serving import COMPLETIONS, post, serving

PROMPT = "Anna Zimmer of Hanover"
BODY = {"prompt": PROMPT, "max_tokens": 3, "stop": ["Zimmer"], "model": "reference", "user": "anna@hanover.example"}
API_KEY, ADMIN_KEY = "open-sesame-1", "open-sesame-2"
SECRETS = (
    *("sesame", "hf_", "hunter2", "pw-of-proxy", "zelda", "opaque-value", "anna@", "ghp_", "AKIA", "Bearer abc"),
    *("signed-value", "eyJhbGci"),
)


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put secrets wherever a doctor looks: variables, settings, paths, the log and a failed request."""
    home = tmp_path / "home" / "zelda"
    home.mkdir(parents=True)
    for name, value in {
        "HOME": str(home),
        "USERPROFILE": str(home),
        "JAN_ORT_CACHE_DIR": str(home / "cache"),
        "JAN_ORT_API_KEY": API_KEY,
        "JAN_ORT_ADMIN_KEY": ADMIN_KEY,
        "HF_TOKEN": "hf_abcdefghijkl1234",
        "DATABASE_PASSWORD": "hunter2-hunter2",
        "PIP_INDEX_URL": "https://zelda:pw-of-proxy@models.example/simple",
        "JAN_ORT_BACKEND_OPTION": "reference:token=opaque-value",
        "JAN_ORT_BACKEND": "reference",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    root.setLevel(logging.INFO)
    yield
    for handler in [each for each in root.handlers if each not in before]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def log_secrets(cache: Path) -> None:
    settings = Settings.read(cache_dir=cache)
    keep_log(settings)
    logger = logging.getLogger("jan_ort.test")
    logger.info("a line of the server")
    logger.warning(
        "%s sent %s and Bearer abcdefgh, ghp_abcdefghij123456", "https://zelda:pw-of-proxy@x.example/", API_KEY
    )
    logger.warning("https://x.example/m?X-Amz-Signature=signed-value&AKIAIOSFODNN7EXAMPLE eyJhbGciOiJI.eyJzdWIi.abc")
    logger.error("%s is broken, hunter2-hunter2", cache / "models" / "m")
    logger.info("cmpl-1: 2 tokens, user %s", "anna@hanover.example")


def record(cache: Path, *, whole: bool, is_large: bool = False) -> None:
    raw = json.dumps(BODY).encode()
    asked = Asked("POST", COMPLETIONS, len(raw), None if is_large else raw)
    answer = ApiError(500, f"it dislikes {PROMPT} and {API_KEY}", code="backend_failed")
    kept = recorded(asked, answer, None if whole else Filler(frozenset({"reference"})))
    folder = record_folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"request-{len(list(folder.iterdir()))}.json").write_text(json.dumps({**kept, "served": ["reference"]}))


def doctor(*args: str, **given: Any) -> Result:
    return CliRunner().invoke(main, ["doctor", "--quick", "--port", "0", *args], **given)


def parts_of(path: Path) -> dict[str, str]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def cache_of(tmp_path: Path) -> Path:
    return tmp_path / "home/zelda/cache"


@pytest.mark.parametrize("whole", [False, True])
def test_a_bundle_holds_everything_but_secrets(tmp_path: Path, whole: bool) -> None:
    log_secrets(cache_of(tmp_path))
    record(cache_of(tmp_path), whole=whole)

    result = doctor("--bundle", str(tmp_path / "b.zip"))

    parts = parts_of(tmp_path / "b.zip")
    assert set(parts) == {"report.txt", "report.json", "log.txt", "request-1.about.json", "request-1.json"}
    assert "a line of the server" in parts["log.txt"]
    found = {
        (name, secret) for name, text in parts.items() for secret in (*SECRETS, "Anna", "Zimmer") if secret in text
    }
    assert found == set()
    assert result.exit_code == 1, "the option of the reference backend is unknown, and the report says so"
    assert "token" in parts["report.json"]


@pytest.mark.parametrize("whole", [False, True])
def test_what_is_said_of_a_body_that_was_too_large_to_keep_is_left_out(tmp_path: Path, whole: bool) -> None:
    record(cache_of(tmp_path), whole=whole, is_large=True)

    doctor("--bundle", str(tmp_path / "b.zip"))

    parts = parts_of(tmp_path / "b.zip")
    assert json.loads(parts["request-1.about.json"])["code"] == "backend_failed"
    assert [name for name, text in parts.items() if "Zimmer" in text] == []


def test_its_list_is_shown_before_it_is_written(tmp_path: Path) -> None:
    record(cache_of(tmp_path), whole=False)

    result = doctor("--bundle", str(tmp_path / "b.zip"))

    shown, _, after = result.stderr.partition("written: ")
    lines = [line.strip() for line in shown.splitlines()]
    assert after.startswith(str(tmp_path / "b.zip"))
    for name in parts_of(tmp_path / "b.zip"):
        assert any(line.startswith(f"{name}: ") for line in lines), name
    assert f"no log of a server: {record_folder(cache_of(tmp_path))} has none that may be read" in lines


@pytest.mark.parametrize(("answer", "is_written"), [("n\n", False), ("y\n", True)])
def test_in_a_terminal_the_user_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, is_written: bool
) -> None:
    monkeypatch.setattr("jan_ort.cli.commands.doctor.is_terminal", lambda: True)

    result = doctor("--bundle", str(tmp_path / "b.zip"), input=answer)

    assert "Write it?" in result.stderr
    assert (tmp_path / "b.zip").exists() is is_written


async def test_the_request_in_it_can_be_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record(cache_of(tmp_path), whole=False)
    doctor("--bundle", str(tmp_path / "b.zip"))
    parts = parts_of(tmp_path / "b.zip")

    for name in ("API_KEY", "ADMIN_KEY", "BACKEND_OPTION"):
        monkeypatch.delenv(f"JAN_ORT_{name}")
    async with serving() as app:
        status, answer = await post(app.test_client(), COMPLETIONS, json.loads(parts["request-1.json"]))

    about = json.loads(parts["request-1.about.json"])
    assert status == 200, answer
    assert (about["status"], about["code"]) == (500, "backend_failed")
    assert about["send it again"].endswith("-d @request-1.json URL/v1/completions")


def test_prompts_are_there_if_they_were_kept_and_are_asked_for(tmp_path: Path) -> None:
    record(cache_of(tmp_path), whole=True)

    doctor("--bundle", str(tmp_path / "b.zip"), "--include-prompts")

    body = parts_of(tmp_path / "b.zip")
    assert json.loads(body["request-1.json"])["prompt"] == PROMPT
    assert API_KEY not in body["request-1.about.json"]


def test_prompts_that_were_not_kept_cannot_be_included(tmp_path: Path) -> None:
    record(cache_of(tmp_path), whole=False)

    result = doctor("--bundle", str(tmp_path / "b.zip"), "--include-prompts")

    assert "with filler of the same length for what it said" in result.stderr
    assert PROMPT not in parts_of(tmp_path / "b.zip")["request-1.json"]


def test_without_a_name_the_file_is_named_by_the_time(tmp_path: Path) -> None:
    doctor("--bundle")

    assert len(list(tmp_path.glob("jan-ort-bundle-2*.zip"))) == 1


def test_json_on_standard_output_stays_json(tmp_path: Path) -> None:
    result = doctor("--json", "--bundle", str(tmp_path / "b.zip"))

    assert json.loads(result.stdout)["devices"] is not None
    assert (tmp_path / "b.zip").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("there.zip", "there.zip exists; name another"),
        ("no/b.zip", "b.zip cannot be written: No such"),
        ("~nobody-here/b.zip", "b.zip cannot be written: Could not"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "there.zip").write_text("mine")

    result = doctor("--bundle", name)

    assert (result.exit_code, message in result.stderr) == (1, True)
    assert (tmp_path / "there.zip").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "null", '{"body": 1}', '{"at": "x"'])
def test_a_record_that_is_damaged_is_left_out(tmp_path: Path, text: str) -> None:
    folder = record_folder(cache_of(tmp_path))
    folder.mkdir(parents=True)
    (folder / "request-1.json").write_text(text)

    result = doctor("--bundle", str(tmp_path / "b.zip"))

    assert set(parts_of(tmp_path / "b.zip")) == {"report.txt", "report.json"}
    assert "no request that failed (5xx)" in result.stderr


def test_a_record_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    folder = record_folder(cache_of(tmp_path))
    for name in ("request-1.json", "log-1.txt"):  # folders: this user, who may be root, may read any file
        (folder / name).mkdir(parents=True)

    result = doctor("--bundle", str(tmp_path / "b.zip"))

    assert "request-1.json" not in parts_of(tmp_path / "b.zip")
    assert "written: " in result.stderr


def test_nothing_is_left_of_a_file_that_the_disk_did_not_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)

    with pytest.raises(OSError, match="No space left"):
        write_private(tmp_path / "b.zip", b"content")

    assert not (tmp_path / "b.zip").exists()


def test_settings_that_cannot_be_read_still_give_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_NUM_SLOTS", "many")

    doctor("--bundle", str(tmp_path / "b.zip"))

    assert "JAN_ORT_NUM_SLOTS" in parts_of(tmp_path / "b.zip")["report.json"]


def test_prompts_without_a_bundle_are_wrong_usage() -> None:
    assert doctor("--include-prompts").exit_code == 2
