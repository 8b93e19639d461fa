"""Every setting with its value, and where that comes from."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr

from jan_ort.settings.schema import Settings
from jan_ort.settings.value_sources import find_origins

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class SettingInForce:
    """One setting, its value as JSON has it (a key is hidden), and where the value comes from."""

    name: str
    value: str | int | float | bool | list[str] | None
    origin: str


def settings_in_force(**overrides: object) -> list[SettingInForce]:
    """Return every setting with its value and origin, in the order of the schema. Raises: SettingsError."""
    settings = Settings.read(**overrides)
    origins = find_origins(Settings, overrides)
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
