"""Every setting of the server, read from flags or from ``JAN_ORT_*`` variables by one schema."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jan_ort.models.cache import default_cache_dir


class SettingsError(Exception):
    """Raised when a setting has a value that cannot be right; the message names it and what would be."""


class Settings(BaseSettings):
    """What the operator decides. A flag ``--num-slots`` is the field ``num_slots`` and ``JAN_ORT_NUM_SLOTS``."""

    model_config = SettingsConfigDict(env_prefix="JAN_ORT_", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    api_key: SecretStr | None = Field(None, description="Bearer key that every operation of the API then needs.")
    allow_unauthenticated: bool = Field(
        False, description="Serve other machines without a key; otherwise only this one is served then."
    )
    model: str | None = Field(
        None, description="Chat model: a known name, a Hugging Face id, a model folder or a .gguf file."
    )
    embedding_model: str | None = Field(
        None, description="Embedding model: a known name, a Hugging Face id or a folder."
    )
    backend: str | None = Field(None, description="Backend plugin by name; otherwise the first that accepts the model.")
    weights: Literal["int8", "int4"] = Field("int8", description="Weight scheme for GGUF files that are converted.")
    num_slots: int = Field(8, ge=1, le=1024, description="Sequences that are computed at once.")
    context_length: int | None = Field(
        None, ge=2, description="Tokens of each slot, prompt and answer together; the model's own if not given."
    )
    max_queued: int = Field(512, ge=1, description="Sequences queued or running before a request is answered 429.")
    max_body_bytes: int = Field(16 * 2**20, ge=1024, description="Largest request body; a larger one is answered 413.")
    cache_dir: Path = Field(
        default_factory=default_cache_dir,
        description="Where fetched and converted models are kept.",
    )

    @field_validator("api_key")
    @classmethod
    def _strip_key(cls, key: SecretStr | None) -> SecretStr | None:
        """Drop the line break that a key from a file ends in; a blank key would let everybody in."""
        if key is None:
            return None
        stripped = key.get_secret_value().strip()
        if not stripped:
            raise ValueError("a key must not be blank; leave it out to serve this machine only")
        return SecretStr(stripped)

    @classmethod
    def read(cls, **overrides: object) -> Settings:
        """Return the settings, overrides (flags that were given) before environment. Raises: SettingsError."""
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)  # type: ignore[arg-type]
        except ValidationError as error:
            raise SettingsError(
                "; ".join(_describe(each["loc"], each["msg"], each["input"]) for each in error.errors())
            ) from error


def _describe(loc: tuple[int | str, ...], message: str, value: object) -> str:
    """Return one line that names a wrong setting as the user spells it."""
    name = str(loc[0]) if loc else "settings"
    return f"--{name.replace('_', '-')} (JAN_ORT_{name.upper()}) is {value!r}: {message}"
