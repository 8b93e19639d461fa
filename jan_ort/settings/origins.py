"""Where a setting comes from: a flag, a variable or a settings file."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_settings import BaseSettings, EnvSettingsSource

from jan_ort.settings.files import ConfigFileSource, config_files


def find_origins(settings: type[BaseSettings], given: Mapping[str, object]) -> dict[str, str]:
    """Return, by name, where each setting that is not a default comes from; ``given`` are the flags.

    Values are not looked at, so that this also tells where a wrong one is from. Raises: SettingsError for a file that
    cannot be read.
    """
    from_environment = EnvSettingsSource(settings)()
    origins: dict[str, str] = {}
    source = ConfigFileSource(settings)
    for path in config_files(given.get("config") or from_environment.get("config")):
        origins |= dict.fromkeys(source.read(path), str(path))
    origins |= {name: f"JAN_ORT_{name.upper()}" for name in from_environment}
    return origins | {name: f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None}
