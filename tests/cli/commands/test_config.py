"""Settings from files: found, strict, below the environment and flags, and explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jan_ort.settings.schema import Settings
from tests.cli.commands.running import last_error, run


def shown(*flags: str) -> dict[str, tuple[object, str]]:
    """Return what ``config show`` says: by setting its value and where it is from."""
    result = run("config", "show", "--json", *flags)
    assert result.exit_code == 0, result.output
    return {each["name"]: (each["value"], each["origin"]) for each in json.loads(result.stdout)}


def test_without_anything_all_is_default() -> None:
    assert {origin for _, origin in shown().values()} == {"default"}


def test_a_flag_wins_over_a_variable_and_a_variable_over_a_file(
    working_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (working_directory / "jan-ort.toml").write_text("port = 1\nnum_slots = 1\nmax_queued = 1\n")
    monkeypatch.setenv("JAN_ORT_NUM_SLOTS", "2")
    monkeypatch.setenv("JAN_ORT_PORT", "2")

    settings = shown("--port", "3")

    assert settings["port"] == (3, "--port")
    assert settings["num_slots"] == (2, "JAN_ORT_NUM_SLOTS")
    assert settings["max_queued"] == (1, "jan-ort.toml")


def test_a_file_can_hold_every_setting(working_directory: Path) -> None:
    (made := working_directory / "made").write_text("name:key\n")
    there = {name: value for name, (value, _) in shown().items() if name != "config"}
    kinds = {name: str(Settings.model_fields[name].annotation) for name, value in there.items() if value is None}
    there |= {name: 99 for name, kind in kinds.items() if "int" in kind or "float" in kind}
    there |= {name: ["reference"] for name, kind in kinds.items() if "tuple" in kind}
    there |= {
        name: str(working_directory if name.endswith("_dir") else made) for name, k in kinds.items() if "Path" in k
    }
    there |= {"api_key": "k", "admin_key": "a", "backend": "reference", "pooling": "mean", "log_level": "info"}
    there |= {"draft_model": "reference", "speculate": "draft-model", "mmproj": "none"}
    (working_directory / "jan-ort.toml").write_text("".join(f"{k} = {json.dumps(v)}\n" for k, v in there.items()))

    origins = {name: origin for name, (_, origin) in shown().items() if name != "config"}

    assert origins == dict.fromkeys(origins, "jan-ort.toml")
    assert len(origins) == len(Settings.model_fields) - 1


def test_the_working_directory_wins_over_the_user(working_directory: Path, tmp_path: Path) -> None:
    user = tmp_path / "user" / "jan-ort" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("port = 1\nnum_slots = 1\n")
    (working_directory / "jan-ort.toml").write_text("port = 2\n")

    settings = shown()

    assert settings["port"] == (2, "jan-ort.toml")
    assert settings["num_slots"] == (1, str(user))


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_named_file_is_the_only_one(
    working_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    (working_directory / "jan-ort.toml").write_text("num_slots = 2\n")
    named = tmp_path / "mine.toml"
    named.write_text("port = 5\nmodel = ['a', 'b']\n")
    if by == "variable":
        monkeypatch.setenv("JAN_ORT_CONFIG", str(named))

    settings = shown(*(["--config", str(named)] if by == "flag" else []))

    assert settings["port"] == (5, str(named))
    assert settings["model"] == (["a", "b"], str(named))
    assert settings["num_slots"] == (8, "default")


@pytest.mark.parametrize(
    ("content", "needles"),
    [
        ("num-slots = 4", ["'num-slots'", "did you mean 'num_slots'"]),
        ("prot = 4", ["'prot'", "did you mean 'port'"]),
        ("zzz = 4", ["'zzz'", "known are host, port"]),
        ("config = 'x.toml'", ["'config'", "remove"]),
        ("[server]\nport = 1", ["'server'"]),
        ("port = 70000", ["--port", "70000", "jan-ort.toml"]),
        ("port = @", ["jan-ort.toml is not valid TOML", "line 1"]),
        ("port = 1\nport = 2", ["not valid TOML", "Cannot overwrite"]),
        ("port = true", ["port is true", "not a switch"]),
        ('cache_dir = "C:\\Users\\me"', ["not valid TOML", "between single quotes"]),
        ('cache_dir = "C:\\new\\table"', ["cache_dir", "between single quotes"]),
        ('model = ["C:\\new"]', ["model", "between single quotes"]),
    ],
)
def test_what_is_wrong_in_a_file_is_refused_and_named(
    working_directory: Path, content: str, needles: list[str]
) -> None:
    (working_directory / "jan-ort.toml").write_text(content)

    for command in (["config", "show"], ["serve", "--backend", "reference"], ["models", "list"]):
        result = run(*command)

        assert result.exit_code == 2
        assert [needle for needle in ["jan-ort.toml", *needles] if needle not in last_error(result)] == []


def test_a_file_of_another_encoding_is_refused_with_the_remedy(working_directory: Path) -> None:
    (working_directory / "jan-ort.toml").write_text("port = 1", encoding="utf-16")

    assert "save it as UTF-8" in last_error(run("config", "show"))


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfport = 4", b"port = 4\r\n"], ids=["a mark", "line ends"])
def test_a_file_is_read_as_editors_on_windows_write_it(working_directory: Path, content: bytes) -> None:
    (working_directory / "jan-ort.toml").write_bytes(content)

    assert shown()["port"] == (4, "jan-ort.toml")


def test_a_path_may_have_any_letters(working_directory: Path) -> None:
    (working_directory / "jan-ort.toml").write_text("cache_dir = 'C:\\new\u00a0\u3000\u00e9'\n", encoding="utf-8")

    assert shown()["cache_dir"] == ("C:\\new\u00a0\u3000\u00e9", "jan-ort.toml")


@pytest.mark.parametrize("path", ["missing.toml", "."])
def test_a_named_file_that_is_not_there_is_refused(path: str) -> None:
    result = run("config", "show", "--config", path)

    assert result.exit_code == 2
    assert repr(path) in last_error(result)


def test_a_key_is_never_shown(working_directory: Path) -> None:
    (working_directory / "jan-ort.toml").write_text("api_key = 'k3y'\n")

    text, as_json = run("config", "show").output, run("config", "show", "--json").output

    assert "k3y" not in text + as_json
    assert "***" in text


def test_a_wrong_key_is_not_repeated(working_directory: Path) -> None:
    (working_directory / "jan-ort.toml").write_text("api_key = ['k3y']\n")

    result = run("config", "show")

    assert result.exit_code == 2
    assert "k3y" not in result.output


def test_a_switch_that_a_file_turns_on_a_flag_turns_off(working_directory: Path) -> None:
    (working_directory / "jan-ort.toml").write_text("allow_unauthenticated = true\n")

    assert shown()["allow_unauthenticated"] == (True, "jan-ort.toml")
    assert shown("--no-allow-unauthenticated")["allow_unauthenticated"] == (False, "--allow-unauthenticated")
