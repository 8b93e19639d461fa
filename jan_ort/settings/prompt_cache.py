"""The settings of prompts whose computed keys and values are used again: by whom, and how many are kept where."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class PromptCacheSettings(BaseSettings):
    """What the operator decides about cached prompts."""

    share_prefixes: bool = Field(
        False,
        description="Let a prompt go on from what was computed for one of another API key that begins the same. Usage "
        "then tells how many of its tokens others have sent before (cached_tokens).",
    )
    prompt_cache_mb: int | None = Field(
        None,
        ge=0,
        description="Most MiB that each model may take for prompts that its slots have let go of, and for sequences "
        "that wait while others have their slots. A sixteenth of the available memory if not given; with 0 nothing is "
        "kept, and no running sequence makes room for another request.",
    )
    prompt_cache_dir: Path | None = Field(
        None,
        description="Folder that keeps such prompts also when the server has stopped, for its user alone. They hold "
        "what users have written.",
    )
    prompt_cache_dir_mb: int = Field(
        4096, ge=1, description="Most MiB that they may take there, for each model; the last used ones stay."
    )

    @field_validator("prompt_cache_dir")
    @classmethod
    def _read_prompt_cache_dir(cls, path: Path | None) -> Path | None:
        """Read ~ as a shell does, and check that the folder may be."""
        if path is None:
            return None
        path = path.expanduser()
        if (path.exists() and not path.is_dir()) or not path.parent.is_dir():
            raise ValueError(f"{path} cannot be a folder: name one in a folder that exists")
        return path
