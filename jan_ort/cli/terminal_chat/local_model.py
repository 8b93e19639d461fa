"""Which model a chat in this process loads: the first of the configured ones that generates, else the default one."""

from __future__ import annotations

import logging

from jan_ort.cli.terminal_chat.exchange import ChatError
from jan_ort.cli.terminal_chat.local_server import LocalServer
from jan_ort.ground.task import GENERATE
from jan_ort.serving import resident, server
from jan_ort.serving.choice import Checked, check_settings
from jan_ort.settings.schema import Settings


def quieten() -> None:
    """Keep from the log what keeps a model from loading: the chat tells it."""
    for room in (server, resident):
        room.logger.setLevel(logging.CRITICAL)


def load_chat_model(settings: Settings) -> LocalServer:
    """Load one model, for one conversation. Raises: ChatError, NoBackendError, ModelReferenceError."""
    discovered, choices = check_settings(settings)
    chosen = next((choice for choice in choices if choice.task == GENERATE), None)
    if chosen is None:
        raise ChatError(f"no chat model is configured, only {choices[0].reference}; name one with --model")
    reference = chosen.reference
    changes = {"model": (reference,), "embedding_model": None, "num_slots": 1, "load": "start", "model_ttl_s": 0.0}
    return LocalServer(settings.model_copy(update=changes), Checked(discovered, (chosen,)))
