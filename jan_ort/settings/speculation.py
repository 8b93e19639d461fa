"""The settings of drafts, by which a step computes several tokens of a sequence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings


class SpeculationSettings(BaseSettings):
    """What the operator decides about drafts."""

    speculate: Literal["off", "ngram"] = Field(
        "off",
        description="Guess tokens and compute several in one step: ngram copies what followed the last tokens earlier, "
        "in the text or in earlier answers. Answers have the same distribution, not the same bits.",
    )
