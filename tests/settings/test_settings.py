"""Settings from flags and environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jan_ort.settings.schema import Settings, SettingsError


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JAN_ORT_{name.upper()}", raising=False)


def test_without_anything_the_server_listens_on_loopback() -> None:
    settings = Settings.read()

    assert (settings.model, settings.embedding_model) == (None, None)
    assert (settings.host, settings.port, settings.api_key) == ("127.0.0.1", 8000, None)


def test_the_environment_is_read_and_a_flag_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "1234")
    monkeypatch.setenv("JAN_ORT_NUM_SLOTS", "3")

    settings = Settings.read(port="99", num_slots=None)

    assert (settings.port, settings.num_slots) == (99, 3)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("JAN_ORT_NUM_SLOT", "JAN_ORT_NUM_SLOTS"),
        ("JAN_ORT_DENY_BACKENDS", "JAN_ORT_DENY_BACKEND"),
        ("JAN_ORT_APIKEY", "JAN_ORT_API_KEY"),
        ("jan_ort_modle", "JAN_ORT_MODEL"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_right_one(
    monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    monkeypatch.setenv(variable, "1")

    told = variable.upper() if sys.platform == "win32" else variable  # as the system keeps it
    with pytest.raises(SettingsError, match=f"{told} is not a setting; did you mean {meant}\\?"):
        Settings.read()


@pytest.mark.parametrize(
    "variable",
    ["JAN_ORT_SERVICE_HOST", "JAN_ORT_SERVICE_PORT", "JAN_ORT_PORT_8000_TCP", "JAN_ORT_KEY", "JAN_ORT_MINE"],
)
def test_a_variable_of_something_else_is_left_alone(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "tcp://10.0.0.1:8000")

    assert Settings.read() == Settings()


def test_the_port_that_kubernetes_sets_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "tcp://10.0.0.1:8000")

    with pytest.raises(SettingsError, match=r"'tcp://10.*enableServiceLinks: false"):
        Settings.read()


def test_an_empty_variable_is_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_MODEL", "")
    monkeypatch.setenv("JAN_ORT_API_KEY", "")

    settings = Settings.read()

    assert (settings.model, settings.api_key) == (None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", "65536"),
        ("port", "-1"),
        ("port", "http"),
        ("num_slots", "0"),
        ("num_slots", "1.5"),
        ("context_length", "1"),
        ("max_queued", "0"),
        ("max_body_bytes", "5"),
        ("weights", "int2"),
        ("allow_unauthenticated", "perhaps"),
    ],
)
def test_a_wrong_value_is_named_in_both_spellings(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"JAN_ORT_{name.upper()}", value)

    with pytest.raises(SettingsError) as error:
        Settings.read()

    message = str(error.value)
    assert f"--{name.replace('_', '-')} (JAN_ORT_{name.upper()}) is {value!r}: " in message
    assert "\n" not in message


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        Settings.read(port="x", num_slots="y")

    assert "--port" in str(error.value)
    assert "--num-slots" in str(error.value)


def test_a_key_is_kept_out_of_the_settings_text() -> None:
    settings = Settings.read(api_key="k3y")

    assert "k3y" not in repr(settings)
    assert "k3y" not in str(settings)


def test_a_key_from_a_file_loses_its_line_break() -> None:
    settings = Settings.read(api_key="k3y\n")

    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == "k3y"


@pytest.mark.parametrize("key", ["", " ", "\n"])
def test_a_blank_key_is_refused(key: str) -> None:
    with pytest.raises(SettingsError, match="must not be blank"):
        Settings.read(api_key=key)


def test_the_cache_is_the_users_own_unless_set() -> None:
    assert "jan-ort" in Settings.read().cache_dir.parts[-2:]
    assert Settings.read(cache_dir="somewhere").cache_dir == Path("somewhere")


def test_backends_are_allowed_and_denied_by_names_in_a_variable_or_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_ALLOW_BACKEND", "reference, mine")

    settings = Settings.read(deny_backend=["other"])

    assert (settings.allow_backend, settings.deny_backend) == (("reference", "mine"), ("other",))
    assert (Settings().deny_backend, settings.options_of("onnxruntime")) == ((), {})


def test_some_settings_are_read_although_another_one_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "http")
    monkeypatch.setenv("JAN_ORT_MODEL", "m")

    settings = Settings.read_only(["deny_backend"], deny_backend=("other",), num_slots="many")

    assert (settings.deny_backend, settings.port, settings.model) == (("other",), 8000, None)


def test_a_setting_that_is_read_alone_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_PORT", "http")

    with pytest.raises(SettingsError, match="--port"):
        Settings.read_only(["port"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no HOME")
def test_a_place_for_settings_that_cannot_be_looked_into_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a service runs as another user and keeps root's HOME; a test may be root, so the path is too long."""
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", "/" + "x" * 300)

    with pytest.raises(SettingsError, match=r"config\.toml cannot be read: File name too long; set HOME to a folder"):
        Settings.read()
    with pytest.raises(SettingsError, match="cannot be read: File name too long"):
        Settings.read(config="x" * 300)
