"""``keep_alive``: models stay loaded, and 0 unloads one, for whoever may change the server (hop 3)."""

from __future__ import annotations

import asyncio
import re

from jan_ort.ground.task import Task
from jan_ort.http.api_error import bad_request
from jan_ort.http.caller import check_caller
from jan_ort.serving.resident import Resident
from jan_ort.serving.server import Server

_DURATION = re.compile(r"[-+]?(?:\d+|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)")

_unloading: set[asyncio.Task[None]] = set()


def leaving(server: Server, task: Task, model: str | None, keep_alive: str | float | None) -> Resident | None:
    """Return the model if it is to be unloaded after the answer, None to keep it.

    Raises: ApiError 400 for what is no duration, 401 or 403 for whoever may not unload; ServingError.
    """
    if isinstance(keep_alive, str) and not _DURATION.fullmatch(keep_alive):
        message = "keep_alive must be a duration such as '5m', or a number of seconds; 0 unloads the model"
        raise bad_request("keep_alive", message)
    is_zero = not any(map(float, re.findall(r"\d+(?:\.\d+)?", str(keep_alive)))) if keep_alive is not None else False
    if not is_zero:
        return None
    check_caller(server, changes_server=True)
    return server.roster.find(task, model)


async def unload_soon(resident: Resident) -> None:
    """Begin to unload the model: it goes once nobody uses it."""
    unloading = asyncio.create_task(resident.unload())
    _unloading.add(unloading)  # or it may be collected before it is done
    unloading.add_done_callback(_unloading.discard)


def meant_model(name: str | None) -> str | None:
    """Return a model's name without the tag that Ollama's clients put behind names that have none."""
    return None if name is None else name.removesuffix(":latest")
