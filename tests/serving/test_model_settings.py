"""The settings that say which models are served, and when they are in memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from jan_ort.cli.program import main
from jan_ort.settings.schema import Settings, SettingsError


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"JAN_ORT_{name.upper()}", raising=False)


def test_models_come_as_one_as_several_and_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAN_ORT_MODEL", "a, org/b:Q8_0")
    monkeypatch.setenv("JAN_ORT_EMBEDDING_MODEL", "e")

    settings = Settings.read()

    assert settings.model == ("a", "org/b:Q8_0")
    assert settings.embedding_model == ("e",)
    assert Settings.read(model=("x,y", "z")).model == ("x,y", "z")


def test_models_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jan-ort.toml"
    path.write_text('model = ["a", "b"]\nembedding_model = "e"\nload = "request"\nmodel_ttl_s = 300\n')

    settings = Settings.read(config=str(path))

    assert (settings.model, settings.embedding_model) == (("a", "b"), ("e",))
    assert (settings.load, settings.model_ttl_s) == ("request", 300)


def test_by_default_everything_is_loaded_at_the_start_and_stays() -> None:
    settings = Settings.read()

    assert (settings.load, settings.model_ttl_s) == ("start", 0)


@pytest.mark.parametrize(("name", "value"), [("load", "never"), ("model_ttl_s", "-1"), ("model_ttl_s", "inf")])
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} .*{value}"):
        Settings.read(**{name: value})


@pytest.mark.parametrize("wrong", [0, 1])
def test_every_repeated_flag_is_read(wrong: int) -> None:
    names = ["smollm2-135m-instruct", "all-minilm-l6-v2"]
    names.insert(wrong, "smolm2")

    result = CliRunner().invoke(main, ["serve", "--port", "0", *(f"--model={name}" for name in names)])

    assert result.exit_code == 1
    assert "'smolm2'" in result.output
