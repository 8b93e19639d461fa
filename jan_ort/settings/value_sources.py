"""Where values of settings come from: flags, variables and settings files, each read strictly."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from platformdirs import user_config_path
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
)

PREFIX = "JAN_ORT_"
_ALIKE = 0.75
"""Similarity from which a name is taken for a misspelt one; other names may be a plugin's own or Kubernetes'."""

LOCAL_FILE = Path("jan-ort.toml")
"""The file that is read in the working directory."""


class SettingsError(Exception):
    """Raised when a setting has a value that cannot be right; the message names it and what would be."""


def config_files(named: object = None) -> tuple[Path, ...]:
    """Return the settings files that are read, the less important first.

    ``named`` is the one that the user named, which is then the only one; otherwise those of the default places that
    exist: the user's own configuration, then the working directory. Raises: SettingsError if ``named`` does not exist,
    or this user may not look into a place.
    """
    if named is not None:
        path = Path(str(named)).expanduser()
        if not _is_file(path):
            reason = "that is not a file" if path.exists() else "there is no such file"
            raise SettingsError(f"--config (JAN_ORT_CONFIG) is {str(named)!r}: {reason}")
        return (path,)
    places = (user_config_path("jan-ort", appauthor=False) / "config.toml", LOCAL_FILE)
    return tuple(path for path in places if _is_file(path))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # as where HOME is another user's
        raise SettingsError(
            f"{path} cannot be read: {error.strerror}; set HOME to a folder of this user, or name a file with --config"
        ) from error


class ConfigFileSource(PydanticBaseSettingsSource):
    """Reads the settings files that the sources before this one name, or those in the default places."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one setting; the base class asks for this, and pydantic calls the source as a whole."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings of all files by name; a later file wins. Raises: SettingsError."""
        settings: dict[str, Any] = {}
        for path in config_files(self.current_state.get("config")):
            settings |= self.read(path)
        return settings

    def read(self, path: Path) -> dict[str, Any]:
        """Return the settings of one file. Raises: SettingsError that names the file, and the key that is unknown."""
        settings = _toml(path)
        known = [name for name in self.settings_cls.model_fields if name != "config"]
        if unknown := [key for key in settings if key not in known]:
            raise SettingsError(f"{path}: " + "; ".join(_unknown(key, known) for key in unknown))
        for name, value in settings.items():
            self._check(path, name, value)
        return settings

    def _check(self, path: Path, name: str, value: object) -> None:
        """Refuse what would be read as something else: a switch as a number, and escapes in a path."""
        kind = str(self.settings_cls.model_fields[name].annotation)
        if isinstance(value, bool) and "bool" not in kind:
            raise SettingsError(f"{path}: {name} is {str(value).lower()}, but it is not a switch")
        texts = value if isinstance(value, list) else [value]
        if wrong := [text for text in texts if isinstance(text, str) and min(text, default=" ") < " "]:
            raise SettingsError(f"{path}: {name} is {wrong[0]!r}, with a line break, a tab or the like; {_QUOTES}")


_QUOTES = "a backslash between double quotes begins an escape: write a Windows path between single quotes"


def _toml(path: Path) -> dict[str, Any]:
    """Read a file; editors on Windows begin it with a mark. Raises: SettingsError that names the file."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(
            f"{path} is not in UTF-8: {error.reason} at byte {error.start}; save it as UTF-8"
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        remedy = f"; {_QUOTES}" if re.search(r'"[^"\n]*\\', text) else ""
        raise SettingsError(f"{path} is not valid TOML: {error}{remedy}") from error


def _unknown(key: str, known: Iterable[str]) -> str:
    if key == "config":
        return "a settings file cannot name another one; remove the key 'config'"
    close = get_close_matches(key.lower().replace("-", "_"), known, n=1)
    remedy = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"{key!r} is not a setting; {remedy}"


_OF_KUBERNETES = re.compile(r"service_(host|port)|port_\d")
"""How the variables begin that a pod gets for a service named jan-ort."""


def check_variables(known: Collection[str]) -> None:
    """Check that no variable is a misspelt setting, which would be ignored. Raises: SettingsError."""
    for variable, value in os.environ.items():
        name = variable.upper().removeprefix(PREFIX).lower()
        if not value or not variable.upper().startswith(PREFIX) or name in known or _OF_KUBERNETES.match(name):
            continue
        if close := get_close_matches(name, known, n=1, cutoff=_ALIKE):
            raise SettingsError(f"the variable {variable} is not a setting; did you mean {PREFIX}{close[0].upper()}?")


def _remedy(name: str, value: object) -> str:
    """Return what else there is to say of a wrong value, "" if nothing."""
    if name == "port" and isinstance(value, str) and value.startswith("tcp://"):
        return (
            "; Kubernetes sets that for a service named jan-ort: set JAN_ORT_PORT, or enableServiceLinks: false, in "
            "the pod, or rename the service"
        )
    return ""


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


def separated(given: object) -> object:
    """Read a text, as variables have it, as one name or several."""
    return tuple(each.strip() for each in given.split(",")) if isinstance(given, str) else given


def describe_wrong(loc: tuple[int | str, ...], message: str, value: object, origins: Mapping[str, str]) -> str:
    """Return one line that names a wrong setting as the user spells it, and the file that it is in."""
    name = str(loc[0]) if loc else "settings"
    one = value[0] if isinstance(value, tuple) and len(value) == 1 else value
    shown = "hidden" if name in ("api_key", "admin_key") else repr(one)
    origin = origins.get(name, "")
    place = "" if origin.startswith(("--", "JAN_ORT_")) or not origin else f" in {origin}"
    said = message.removeprefix("Value error, ").partition(", unable to parse")[0].replace("Input should", "it must")
    return f"--{name.replace('_', '-')} (JAN_ORT_{name.upper()}) is {shown}{place}: {said}{_remedy(name, value)}"
