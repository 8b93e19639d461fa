"""The settings of prompts whose computed keys and values are used again: by whom, and how many are kept where."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings


class PromptCacheSettings(BaseSettings):
    """What the operator decides about cached prompts."""

    share_prefixes: bool = Field(
        False,
        description="Reuse what was computed for prompts with the same beginning under other API keys. Usage then "
        "reveals how many of a prompt's tokens others have sent before (cached_tokens).",
    )
    prompt_cache_mb: int | None = Field(
        None,
        ge=0,
        description="Most MiB per model for prompts that are no longer in a slot, and for sequences that wait while "
        "others use their slots. By default a sixteenth of the available memory; with 0 nothing is kept, and no "
        "running sequence makes room for another request.",
    )
    prompt_cache_dir: Path | None = Field(
        None,
        description="Folder that keeps such prompts across restarts, readable only by the server's user. They contain "
        "what users have written.",
    )
    prompt_cache_dir_mb: int = Field(
        4096, ge=1, description="Most MiB in that folder, per model; the least recently used prompts are dropped first."
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
        if not os.access(path if path.exists() else path.parent, os.W_OK | os.X_OK):
            raise ValueError(f"{path} cannot be written to: name a folder of the server's user")
        return path
