"""Which model a chat in this process loads: the first of the configured ones that generates, else the default one."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager

from jan_ort.cli.terminal_chat.exchange import Answer, ChatError
from jan_ort.cli.terminal_chat.local_server import LocalServer
from jan_ort.ground.model_errors import ModelsError
from jan_ort.ground.task import GENERATE
from jan_ort.plugins.choice import NoBackendError
from jan_ort.serving import resident, server
from jan_ort.serving.choice import Checked, check_settings
from jan_ort.settings.schema import Settings


def quieten() -> None:
    """Keep from the log what keeps a model from loading: the chat tells it."""
    for room in (server, resident):
        room.logger.setLevel(logging.CRITICAL)


class LocalModels:
    """Serves one model at a time in this process."""

    def __init__(self, settings: Settings) -> None:
        """Load the configured one. Raises: ChatError, NoBackendError, ModelsError."""
        self._settings = settings
        self._server = LocalServer(*_choose(settings))

    def request(self, method: str, path: str, body: bytes | None = None) -> AbstractContextManager[Answer]:
        """Ask the server of the model that is loaded."""
        return self._server.request(method, path, body)

    def load(self, name: str) -> None:
        """Load another model, once the one before has left memory: there may be no room for both. Raises: ChatError."""
        settings = self._settings.model_copy(update={"model": (name,)})
        try:
            chosen = _choose(settings)
        except (ModelsError, NoBackendError) as error:
            raise ChatError(str(error)) from error
        self._server.close()
        try:
            self._server = LocalServer(*chosen)
        except (ChatError, KeyboardInterrupt):
            self._server = LocalServer(*_choose(self._settings))
            raise
        self._settings = settings

    def close(self) -> None:
        """Free the model."""
        self._server.close()


def _choose(settings: Settings) -> tuple[Settings, Checked]:
    """Return one model with the settings for one conversation. Raises: ChatError, NoBackendError, ModelsError."""
    discovered, choices = check_settings(settings)
    chosen = next((choice for choice in choices if choice.task == GENERATE), None)
    if chosen is None:
        raise ChatError(f"no chat model is configured, only {choices[0].reference}; name one with --model")
    reference = chosen.reference
    changes = {"model": (reference,), "embedding_model": None, "num_slots": 1, "load": "start", "model_ttl_s": 0.0}
    return settings.model_copy(update=changes), Checked(discovered, (chosen,))
