"""From a chosen model to an open one: fetched and converted if need be, and opened by its backend."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from jan_ort.engine.engine import Delivery
from jan_ort.ground.progress import Progress
from jan_ort.models.folder import ModelFolder
from jan_ort.models.resolve import resolve_found
from jan_ort.plugins.choice import choose_backend
from jan_ort.serving.choice import ModelChoice
from jan_ort.serving.served import EmbeddingModel, GenerativeModel, open_embedding, open_generative
from jan_ort.settings.schema import Settings
from jan_ort_backends import Backend, Discovered

Result = TypeVar("Result")


class LoadingStopped(BaseException):
    """Raised in a loading thread when the server is to stop; no handler of mere errors may swallow it."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model on this machine that is not loaded: its folder, and the backend that opens it."""

    folder: ModelFolder
    backend: Backend


@dataclass(frozen=True, slots=True)
class ModelLoader:
    """Finds and opens models; both take long, and are done in a thread. ``is_stopping`` is asked on the way."""

    settings: Settings
    discovered: Sequence[Discovered]
    deliver: Delivery
    is_stopping: Callable[[], bool]

    def find(self, choice: ModelChoice, progress: Progress) -> FoundModel:
        """Return the model, fetched and converted if need be. Raises: ModelsError, NoBackendError, LoadingStopped."""

        def show(stage: str, fraction: float, /) -> None:
            self._check_stopping()
            progress(stage, fraction)

        self._check_stopping()
        path = resolve_found(
            choice.found,
            task=choice.task,
            cache_dir=self.settings.cache_dir,
            weights=self.settings.weights,
            progress=show,
        )
        self._check_stopping()
        return FoundModel(ModelFolder.read(path), self._backend_of(choice, path))

    def _backend_of(self, choice: ModelChoice, path: Path) -> Backend:
        """Return the backend that opens a folder; whether it takes it is asked once. Raises: NoBackendError."""
        if choice.taken is not None and choice.taken[0] == path:
            return choice.taken[1]
        return choose_backend(self.settings.backend, path, self.discovered)

    def open(self, choice: ModelChoice, found: FoundModel) -> GenerativeModel | EmbeddingModel:
        """Return the model, ready to be asked. Raises: ModelsError, BackendError, LoadingStopped, NoBackendError."""
        self._check_stopping()
        model: GenerativeModel | EmbeddingModel
        if choice.task == "generate":
            model = open_generative(found.folder, found.backend, self.settings, self.deliver)
        else:
            model = open_embedding(found.folder, found.backend, self.settings)
        if self.is_stopping():
            model.close()
            raise LoadingStopped
        return model

    def _check_stopping(self) -> None:
        if self.is_stopping():
            raise LoadingStopped


def in_daemon_thread(work: Callable[[], Result]) -> asyncio.Future[Result]:
    """Run ``work`` like ``asyncio.to_thread``, but in a thread that does not keep the process from ending."""
    outcome: Future[Result] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(result)

    threading.Thread(target=run, name="load", daemon=True).start()
    return asyncio.wrap_future(outcome)
