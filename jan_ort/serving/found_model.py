"""A model that is on this machine, with what opens it."""

from __future__ import annotations

from dataclasses import dataclass

from jan_ort.models.folder import ModelFolder
from jan_ort.settings.schema import Settings
from jan_ort_backends import Backend


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine that is not loaded, and the backend that opens it, on ``provider`` if one was named.

    ``draft`` is the model that guesses tokens for it.
    """

    folder: ModelFolder
    backend: Backend
    provider: str | None = None
    draft: FoundModel | None = None

    def own(self, settings: Settings) -> Settings:
        """Return the settings that count for this model: its provider before that of all."""
        return on_provider(settings, self.provider)

    @property
    def is_here(self) -> bool:
        """Whether its folder is still there, and that of what guesses for it."""
        return self.folder.path.is_dir() and (self.draft is None or self.draft.is_here)


def on_provider(settings: Settings, provider: str | None) -> Settings:
    """Return the settings of a model that is computed on this provider, None for what they say."""
    if provider is None:
        return settings
    return settings.model_copy(update={"backend_option": (*settings.backend_option, f"provider={provider}")})
