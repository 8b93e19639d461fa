"""The settings of the network: where to listen, who may call, and what browsers and proxies need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from jan_ort.settings.key_file import read_keys
from jan_ort.settings.value_sources import separated

ANY_ORIGIN = "*"

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@\\,*]+")
_IMAGE_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*(:\d{1,5})?")
_ROOT_PATH = re.compile(r"(/[\w.~-]+)*")


class NetworkSettings(BaseSettings):
    """What the operator decides about the network."""

    host: str = Field(
        "127.0.0.1", description="Address to listen on; a name such as localhost means all its addresses."
    )
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_key: SecretStr | None = Field(
        None,
        description="Bearer key that every API operation then requires. Every user of this machine can see a flag in "
        "the process list: set the variable, api_key in a settings file, or --api-key-file.",
    )
    api_key_file: Path | None = Field(
        None,
        description="File of keys that work like --api-key, one per line as NAME:KEY; it is read again when it "
        "changes. The log shows the name of the key that a request used, never the key.",
    )
    admin_key: SecretStr | None = Field(
        None,
        description="Bearer key that /models/load and /models/unload then require instead of --api-key; it also opens "
        "everything else. Set the variable or the settings file, as for --api-key.",
    )
    allow_unauthenticated: bool = Field(
        False, description="Accept requests from other machines without a key; otherwise only local ones."
    )
    allowed_host: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Host name that requests without a key may use, besides localhost and --host: for a container, "
        "host.docker.internal. May be given several times; in a variable, separated by commas.",
    )
    cors_origin: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Origin whose pages may use this server from a browser, such as http://localhost:3000 or "
        "tauri://localhost; * is any, and needs a key. May be given several times; in a variable, separated by commas.",
    )
    pages: bool = Field(
        True, description="Serve browser pages: a chat at /, the API document at /docs, the server's state at /status."
    )
    metrics_host: str = Field(
        "127.0.0.1", description="Address for --metrics-port; anyone who can reach it reads the metrics without a key."
    )
    metrics_port: int | None = Field(None, ge=0, le=65535, description="Separate port that serves only /metrics.")
    allow_image_url: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Host that images may be fetched from, such as example.org, *.example.org or example.org:8443; "
        "without it, only data: URLs are read. May be given several times; in a variable, separated by commas.",
    )
    root_path: str = Field(
        "", description="Prefix of every path, such as /llm, if a proxy does not strip it; paths without it still work."
    )

    @field_validator("allowed_host", "cors_origin", "allow_image_url", mode="before")
    @classmethod
    def _separate_hosts(cls, given: object) -> object:
        return separated(given)

    @field_validator("allowed_host")
    @classmethod
    def _read_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_host_name, given))

    @field_validator("allow_image_url")
    @classmethod
    def _read_image_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_image_host, given))

    @field_validator("cors_origin")
    @classmethod
    def _read_origins(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_origin, given))

    @field_validator("root_path")
    @classmethod
    def _read_root_path(cls, given: str) -> str:
        path = f"/{given.strip('/')}" if given.strip("/") else ""
        if not _ROOT_PATH.fullmatch(path):
            raise ValueError(f"{given!r} is not the beginning of a path (example: /llm)")
        return path

    @field_validator("api_key_file")
    @classmethod
    def _read_key_file(cls, path: Path | None) -> Path | None:
        if path is None:
            return None
        path = path.expanduser()
        try:
            read_keys(path)
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror or error}") from error
        return path

    @field_validator("api_key", "admin_key")
    @classmethod
    def _strip_key(cls, key: SecretStr | None) -> SecretStr | None:
        """Drop the line break that a key from a file ends in; a blank key would let everybody in."""
        if key is None:
            return None
        stripped = key.get_secret_value().strip()
        if not stripped:
            raise ValueError("a key must not be blank; leave it out to do without")
        return SecretStr(stripped)

    @property
    def needs_key(self) -> bool:
        """Whether the operations of the API need a key."""
        return self.api_key is not None or self.api_key_file is not None

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The keys that open the API, those of the file as it is now. Raises: OSError, ValueError."""
        own = () if self.api_key is None else (self.api_key.get_secret_value(),)
        return own if self.api_key_file is None else (*own, *read_keys(self.api_key_file))

    @property
    def secrets(self) -> tuple[str, ...]:
        """All keys that are configured. Raises: OSError, ValueError."""
        return self.api_keys if self.admin_key is None else (*self.api_keys, self.admin_key.get_secret_value())


def _host_name(given: str) -> str:
    """Return a host's name as it stands in a Host header, without a port."""
    try:
        parts = urlsplit(f"//{given}")
        name = parts.hostname
    except ValueError:
        name = None
    if not name or parts.netloc != given or not given.isascii() or set(given) & set("*@ "):
        raise ValueError(f"{given!r} is not the name of a host (example: host.docker.internal)")
    return name


def _image_host(given: str) -> str:
    """Return a host that images come from: a name, perhaps of all that end in it, perhaps with a port."""
    if not _IMAGE_HOST.fullmatch(given.lower()):
        raise ValueError(f"{given!r} is not the name of a host (examples: example.org, *.example.org)")
    return given.lower()


def _origin(given: str) -> str:
    """Return an origin as browsers write it: without a path, in lower case, without the port that its scheme has."""
    origin = given.rstrip("/").lower()
    if origin == ANY_ORIGIN:
        return origin
    if not _ORIGIN.fullmatch(origin) or not origin.isascii():
        raise ValueError(f"{given!r} is not an origin (examples: http://localhost:3000, tauri://localhost, *)")
    for scheme, port in (("http://", ":80"), ("https://", ":443")):
        if origin.startswith(scheme):
            origin = origin.removesuffix(port)
    return origin
