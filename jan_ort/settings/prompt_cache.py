"""The settings of prompts whose computed keys and values are used again: by whom."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings


class PromptCacheSettings(BaseSettings):
    """What the operator decides about cached prompts."""

    share_prefixes: bool = Field(
        False,
        description="Let a prompt go on from what was computed for one of another API key that begins the same. Usage "
        "then tells how many of its tokens others have sent before (cached_tokens).",
    )
