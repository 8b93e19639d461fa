"""A task as it is served: how a model is opened for it, and what that model can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from jan_ort.engine.in_flight import Delivery
from jan_ort.ground.task import Task
from jan_ort.models.folder import ModelFolder
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.served_model import ServedModel
from jan_ort.settings.schema import Settings

Model = TypeVar("Model", bound=ServedModel)


@dataclass(frozen=True, slots=True)
class ServedTask(Generic[Model]):
    """What the server does for a task, with models of one kind; each is an entry of ``served_tasks.SERVED_TASKS``.

    ``open`` returns a model that was found, ready to be asked, and raises ModelsError, BackendError or NoBackendError.
    ``abilities`` are what the model can be asked for, in Ollama's words and "chat", as far as that is known: the folder
    is None while it was not found, the model while it is not loaded.
    """

    task: Task
    model_type: type[Model]
    open: Callable[[FoundModel, Settings, Delivery], Model]
    abilities: Callable[[ModelFolder | None, Model | None], Sequence[str]]
