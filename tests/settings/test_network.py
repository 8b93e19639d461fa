"""Settings of the network are read as browsers and proxies write them, or refused by their name."""

from __future__ import annotations

import pytest

from jan_ort.settings.schema import Settings, SettingsError


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("HTTP://LocalHost:3000/", "http://localhost:3000"),
        ("http://localhost:80", "http://localhost"),
        ("https://page.example:443", "https://page.example"),
        ("https://page.example:80", "https://page.example:80"),
        ("tauri://localhost", "tauri://localhost"),
        ("app://.", "app://."),
        ("app://obsidian.md", "app://obsidian.md"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
        ("http://[::1]:5173", "http://[::1]:5173"),
        ("*", "*"),
    ],
)
def test_an_origin_is_read_as_browsers_write_it(given: str, read: str) -> None:
    assert Settings.read(cors_origin=[given]).cors_origin == (read,)


@pytest.mark.parametrize(
    "given", ["null", "", "localhost:3000", "http://a/path", "http://*.a", "file://", "http://ä.de"]
)
def test_what_is_no_origin_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="--cors-origin"):
        Settings.read(cors_origin=[given])


def test_a_variable_may_have_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_CORS_ORIGIN", "http://localhost:3000, tauri://localhost")
    monkeypatch.setenv("JAN_ORT_ALLOWED_HOST", "host.docker.internal,nas")

    settings = Settings.read()

    assert settings.cors_origin == ("http://localhost:3000", "tauri://localhost")
    assert settings.allowed_host == ("host.docker.internal", "nas")


@pytest.mark.parametrize(
    ("given", "read"),
    [("Host.Docker.Internal", "host.docker.internal"), ("nas:8000", "nas"), ("[fe80::1]", "fe80::1")],
)
def test_a_host_is_read_as_a_header_has_it(given: str, read: str) -> None:
    assert Settings.read(allowed_host=[given]).allowed_host == (read,)


@pytest.mark.parametrize("given", ["*", "", "http://nas", "nas/v1", "a b", "*.nas", "u@nas", "[", "é"])
def test_what_is_no_host_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="--allowed-host"):
        Settings.read(allowed_host=[given])


@pytest.mark.parametrize("given", ["/a b", "/a?b", "/a#b", "/a%2Fb", "/a//b", "http://a/b"])
def test_what_begins_no_path_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="--root-path"):
        Settings.read(root_path=given)
