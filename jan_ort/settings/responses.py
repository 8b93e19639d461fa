"""The settings of responses that are kept: where, how many, and for how long."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class ResponseSettings(BaseSettings):
    """What the operator decides about stored responses."""

    response_store: Path | None = Field(
        None,
        description="SQLite file for the responses of /v1/responses, readable only by the server's user; without it, "
        "they are kept in memory until the server stops.",
    )
    max_stored_responses: int = Field(
        1000, ge=0, description="Most stored responses; the least recently used are dropped first. 0 stores none."
    )
    max_stored_response_mb: int = Field(
        64, ge=1, description="Most MiB for all stored responses, each with its whole conversation."
    )
    stored_response_ttl_s: float = Field(
        30 * 86400,
        ge=0,
        allow_inf_nan=False,
        description="Seconds after its last use until a stored response is deleted; 0 means never.",
    )

    @field_validator("response_store")
    @classmethod
    def _read_response_store(cls, path: Path | None) -> Path | None:
        """Read ~ as a shell does, and check that the file may be."""
        if path is None:
            return None
        path = path.expanduser()
        if path.is_dir() or not path.parent.is_dir():
            raise ValueError(f"{path} cannot be a file: name one in a folder that exists")
        return path
