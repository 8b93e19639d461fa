"""The state behind the app: what is configured, what is loaded, and whether requests can be taken."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from enum import StrEnum
from pathlib import Path

from jan_ort.backend_choice import builtin_models, choose_backend
from jan_ort.engine.results import deliver_to
from jan_ort.errors import ApiError
from jan_ort.model_choice import check_settings, choose_models
from jan_ort.models.catalog import Task
from jan_ort.models.progress import Progress, show_progress
from jan_ort.models.resolve import resolve_model
from jan_ort.served import EmbeddingModel, GenerativeModel, ServedModel, open_embedding, open_generative
from jan_ort.settings import Settings
from jan_ort_backends import Backend, Discovered

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """Where the server stands; only ``READY`` serves."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"


class LoadingStopped(BaseException):
    """Raised in the loading thread when the server is to stop; no handler of mere errors may swallow it."""


_LOADING_GRACE_S = 1.0
"""How long a stop waits for the loading thread to tidy up what it has half fetched."""


class Server:
    """Loads the configured models and hands them to the handlers.

    ``on_failure`` is called once, in the event loop, if they cannot be loaded.
    """

    def __init__(self, settings: Settings, *, on_failure: Callable[[Exception], None] | None = None) -> None:
        self.settings = settings
        self.status = Status.LOADING
        self.failure: Exception | None = None
        self.generative: GenerativeModel | None = None
        self.embedding: EmbeddingModel | None = None
        self._on_failure = on_failure
        self._loading: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to load in a task; requests are answered 503 until it is done."""
        self._loading = asyncio.create_task(self._load())

    async def stop(self) -> None:
        """Refuse new requests, end the running ones with an error event, free everything. May be called twice."""
        self.status = Status.STOPPING
        if self._loading is not None:
            await asyncio.wait({self._loading}, timeout=_LOADING_GRACE_S)
            self._loading.cancel()
        for model in self.models:
            await asyncio.to_thread(model.close)

    @property
    def models(self) -> list[GenerativeModel | EmbeddingModel]:
        """The loaded models, the generative one first."""
        return [model for model in (self.generative, self.embedding) if model is not None]

    def check_ready(self) -> None:
        """Raise the 503 that a request gets while nothing can be served."""
        if self.status is not Status.READY:
            reason = f"loading failed: {self.failure}" if self.failure else f"the server is {self.status}"
            error = ApiError(503, reason, code=f"server_{self.status}")
            error.headers["Retry-After"] = "2"
            raise error

    def for_generation(self) -> GenerativeModel:
        """Return the model that completes prompts, whatever name the request gives: there is one."""
        self.check_ready()  # again: the server may have begun to stop while the body was read
        if self.generative is None:
            raise ApiError(
                400, "no chat model is configured; start the server with --model", param="model", code="no_chat_model"
            )
        return self.generative

    def for_embedding(self) -> EmbeddingModel:
        """Return the model that embeds."""
        self.check_ready()
        if self.embedding is None:
            message = "no embedding model is configured; start the server with --embedding-model"
            raise ApiError(400, message, param="model", code="no_embedding_model")
        return self.embedding

    def for_tokens(self, name: str | None) -> ServedModel:
        """Return the model whose tokenizer is meant: the embedding model by its name, else the generative one."""
        if self.embedding is not None and (
            self.generative is None or name == self.embedding.name != self.generative.name
        ):
            return self.embedding
        return self.for_generation()

    async def _load(self) -> None:
        started = time.perf_counter()
        try:
            deliver = deliver_to(asyncio.get_running_loop())
            await in_daemon_thread(lambda: self._open_models(deliver))
        except LoadingStopped:
            logger.info("stopped while loading")
        except Exception as error:
            self.status, self.failure = Status.FAILED, error
            logger.error("the models cannot be loaded: %s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
            if self._on_failure is not None:
                self._on_failure(error)
        else:
            if self.status is Status.STOPPING:
                return
            self.status = Status.READY
            names = ", ".join(f"{model.name} on {model.device.used}" for model in self.models)
            logger.info("ready after %.1f s: %s", time.perf_counter() - started, names)

    def _open_models(self, deliver: Callable[..., None]) -> None:
        discovered = check_settings(self.settings)
        with show_progress() as shown:

            def progress(stage: str, fraction: float, /) -> None:
                self._check_stopping()
                shown(stage, fraction)

            found = {
                task: self._find(reference, task, discovered, progress)
                for task, reference in choose_models(self.settings, discovered).items()
            }
        self._check_stopping()
        if "generate" in found:
            self.generative = open_generative(*found["generate"], self.settings, deliver)
        if "embed" in found and self.status is not Status.STOPPING:
            self.embedding = open_embedding(*found["embed"], self.settings)
        self._check_stopping()

    def _check_stopping(self) -> None:
        """Give up loading, and free what is loaded, once the server is to stop. Raises: LoadingStopped."""
        if self.status is Status.STOPPING:
            for model in self.models:
                model.close()
            raise LoadingStopped

    def _find(
        self, reference: str, task: Task, discovered: tuple[Discovered, ...], progress: Progress
    ) -> tuple[Path, Backend]:
        """Return the folder of a model reference, fetched and converted if need be, and the backend that opens it."""
        path = resolve_model(
            reference,
            task=task,
            cache_dir=self.settings.cache_dir,
            weights=self.settings.weights,
            builtin_models=builtin_models(discovered),
            progress=progress,
        )
        return path, choose_backend(self.settings.backend, path, discovered)


def in_daemon_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run ``work`` like ``asyncio.to_thread``, but in a thread that does not keep the process from ending."""
    outcome: Future[None] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            work()
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    threading.Thread(target=run, name="load", daemon=True).start()
    return asyncio.wrap_future(outcome)
