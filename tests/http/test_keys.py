"""Several keys from a file, each with its holder's name, and keys in the header that Anthropic's clients send."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jan_ort.http.auth import ExposureError, check_exposure
from jan_ort.http.keys import ApiKeys
from jan_ort.settings.schema import Settings, SettingsError
from tests.http.handlers.serving import COMPLETIONS, serving

KEYS = "# of the team\n\nalice: k1-alice\nbob@work:k2-bob\nalice:k3-alice\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(KEYS)
    return path


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    later = path.stat().st_mtime_ns + 10**9  # where a file's times are coarse
    os.utime(path, ns=(later, later))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-Api-Key": "k3y"}, 200),
        ({"x-api-key": " k3y "}, 200),
        ({"X-Api-Key": "no"}, 401),
        ({"X-Api-Key": ""}, 401),
        ({"X-Api-Key": "Bearer k3y"}, 401),
        ({"X-Api-Key": "k3y", "Authorization": "Bearer no"}, 200),
        ({"X-Api-Key": "no", "Authorization": "Bearer k3y"}, 200),
        ({"X-Api-Key": "no", "Authorization": "Basic k3y"}, 401),
    ],
)
async def test_a_key_may_be_in_a_header_of_its_own(headers: dict[str, str], status: int) -> None:
    async with serving(api_key="k3y") as app:
        response = await app.test_client().get("/v1/models", headers=headers)

    assert response.status_code == status


@pytest.mark.parametrize(("key", "status"), [("adm1n", 200), ("k3y", 403), ("no", 401)])
async def test_so_may_the_admin_key(key: str, status: int) -> None:
    headers = {"X-Api-Key": key, "Content-Type": "application/json"}
    async with serving(api_key="k3y", admin_key="adm1n") as app:
        response = await app.test_client().post("/models/load", headers=headers, data=b"{}")

    assert response.status_code == status


async def test_every_key_of_the_file_opens_and_the_log_names_its_holder(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with serving(api_key="k0", api_key_file=file) as app:
        client = app.test_client()
        for key in ("k0", "k1-alice", "k2-bob", "k3-alice", "k2", "alice", "bob@work:k2-bob"):
            await client.post(COMPLETIONS, json={"max_tokens": 1}, headers={"Authorization": f"Bearer {key}"})

    served = [line.partition(", key of ")[2] for line in caplog.messages if "prompt tokens" in line]
    assert served == ["", "alice", "'bob@work'", "alice"]
    assert sum(" 401 " in line for line in caplog.messages) == 3
    assert not any(key in caplog.text for key in ("k1-alice", "k2-bob", "k3-alice"))


def test_a_file_that_changes_is_read_again(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    keys = ApiKeys(Settings.read(api_key_file=file))
    assert keys.holder([b"k2-bob"]) == "bob@work"

    rewrite(file, "carol:k4-carol\n")

    assert (keys.holder([b"k2-bob"]), keys.holder([b"k4-carol"])) == (None, "carol")
    assert caplog.messages == [f"1 API keys were read again from {file}"]


@pytest.mark.parametrize("text", ["", "# nobody\n", "carol\n", "carol:", ":k4", "a b:k4\n", "a:k4\nb:k4\n", "a:\xff"])
def test_one_that_is_wrong_leaves_the_keys_as_they_were(
    file: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    keys = ApiKeys(Settings.read(api_key_file=file))
    keys.holder([])

    file.write_bytes(text.encode("latin-1"))
    os.utime(file, ns=(1, 1))

    assert [keys.holder([b"k2-bob"]) for _ in range(3)] == ["bob@work"] * 3
    assert len(caplog.messages) == 1
    assert str(file) in caplog.text
    assert "k4" not in caplog.text


def test_one_that_is_gone_is_told_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = ApiKeys(Settings.read(api_key_file=file))
    keys.holder([])

    file.unlink()

    assert [keys.holder([b"k2-bob"]) for _ in range(3)] == ["bob@work"] * 3
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("text", ["", "carol", "a:k4\nb:k4"])
def test_a_wrong_file_is_a_refused_start_that_shows_no_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys"
    path.write_text(text)

    with pytest.raises(SettingsError) as refused:
        Settings.read(api_key_file=path)

    assert "--api-key-file" in str(refused.value)
    assert str(path) in str(refused.value)
    assert "k4" not in str(refused.value)


@pytest.mark.parametrize("name", ["absent", "."])
def test_so_is_what_is_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="--api-key-file"):
        Settings.read(api_key_file=tmp_path / name)


def test_keys_of_a_file_are_keys(file: Path) -> None:
    check_exposure(Settings.read(api_key_file=file, host="0.0.0.0", cors_origin="*"))

    with pytest.raises(ExposureError, match="protects nothing"):
        check_exposure(Settings.read(api_key_file=file, admin_key="k2-bob"))


def test_they_are_secrets(file: Path) -> None:
    settings = Settings.read(api_key="k0", api_key_file=file, admin_key="k9")

    assert set(settings.secrets) == {"k0", "k1-alice", "k2-bob", "k3-alice", "k9"}


PREFIX = "The river runs along the old garden, and the people walk there when it is warm."


@pytest.mark.parametrize("share_prefixes", [False, True])
async def test_a_cached_prefix_is_of_one_key_alone_unless_it_is_shared(file: Path, share_prefixes: bool) -> None:
    async with serving(api_key="k0", api_key_file=file, admin_key="adm1n", share_prefixes=share_prefixes) as app:
        client, cached = app.test_client(), []
        for key in ("k1-alice", "k1-alice", "k2-bob", "k3-alice", "k0", "adm1n"):
            body = {"prompt": PREFIX, "max_tokens": 1}
            response = await client.post(COMPLETIONS, json=body, headers={"Authorization": f"Bearer {key}"})
            usage = (await response.get_json())["usage"]
            cached.append(usage["prompt_tokens_details"]["cached_tokens"] > 0)

    assert cached == [False, True, *[share_prefixes] * 4]
