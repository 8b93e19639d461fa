"""Where each setting comes from: a flag, a variable, a settings file or its default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic_settings import EnvSettingsSource

from jan_ort.config_file import ConfigFileSource, config_files
from jan_ort.settings import Settings

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting, its value as JSON has it (a key is hidden), and where the value comes from."""

    name: str
    value: str | int | float | bool | list[str] | None
    origin: str


def find_origins(given: Mapping[str, object]) -> dict[str, str]:
    """Return, by name, where each setting that is not a default comes from; ``given`` are the flags.

    Values are not looked at, so that this also tells where a wrong one is from. Raises: SettingsError for a file that
    cannot be read.
    """
    from_environment = EnvSettingsSource(Settings)()
    origins: dict[str, str] = {}
    source = ConfigFileSource(Settings)
    for path in config_files(given.get("config") or from_environment.get("config")):
        origins |= dict.fromkeys(source.read(path), str(path))
    origins |= {name: f"JAN_ORT_{name.upper()}" for name in from_environment}
    return origins | {name: f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None}


def settings_in_force(**overrides: object) -> list[SettingInForce]:
    """Return every setting with its value and origin, in the order of the schema. Raises: SettingsError."""
    settings = Settings.read(**overrides)
    origins = find_origins(overrides)
    return [
        SettingInForce(name, _plain(getattr(settings, name)), origins.get(name, DEFAULT))
        for name in Settings.model_fields
    ]


def _plain(value: object) -> str | int | float | bool | list[str] | None:
    """Return a value as JSON has it; a secret as asterisks."""
    if isinstance(value, SecretStr):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [str(each) for each in value]
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
