"""Who guesses tokens for a model, as the settings want it."""

from __future__ import annotations

from jan_ort.engine.speculation.drafter import Drafter
from jan_ort.engine.speculation.kinds import DRAFTERS
from jan_ort.settings.schema import Settings
from jan_ort_backends import ModelError, SessionInfo


def open_drafter(name: str, info: SessionInfo, settings: Settings) -> Drafter | None:
    """Return the drafter of the model ``name``, None if tokens are not guessed.

    Raises: ModelError for a model whose slots cannot be cut to where a draft went wrong.
    """
    if settings.speculate == "off":
        return None
    if info.num_checkpoints is not None:
        raise ModelError(
            f"--speculate {settings.speculate} needs a model whose slots can be cut anywhere, and {name} keeps a state "
            "that can be cut at checkpoints only; serve it with --speculate off"
        )
    return DRAFTERS[settings.speculate]()
