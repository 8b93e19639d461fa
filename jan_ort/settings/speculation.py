"""The settings of drafts, by which a step computes several tokens of a sequence."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings


class SpeculationSettings(BaseSettings):
    """What the operator decides about drafts."""

    draft_model: str | None = Field(
        None,
        description="Small model with the same vocabulary that guesses tokens for every --model that generates; same "
        "forms as --model. It turns --speculate draft-model on.",
    )
    speculate: Literal["off", "ngram", "draft-model"] | None = Field(
        None,
        validate_default=True,
        description="Guess tokens and compute several in one step: ngram copies what followed the last tokens earlier, "
        "in the text or in earlier answers, draft-model asks --draft-model. Answers have the same distribution, not "
        "the same bits. By default off.",
    )

    @field_validator("speculate")
    @classmethod
    def _check_draft_model(cls, given: str | None, others: ValidationInfo) -> str:
        """Return the kind, which follows from a draft model; there is one if and only if it is needed."""
        model = others.data.get("draft_model")
        kind = given or ("off" if model is None else "draft-model")
        if kind == "draft-model" and model is None:
            raise ValueError("a draft model is needed: name one with --draft-model")
        if kind != "draft-model" and model is not None:
            raise ValueError(f"--draft-model {model} needs draft-model here: give one of the two")
        return kind
