"""A configured model, which is loaded when it is needed and unloaded when it is not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum

from jan_ort.engine.engine_errors import EngineStopped, QueueFull
from jan_ort.ground.model_errors import ModelTooLarge
from jan_ort.ground.progress import LogProgress, Progress
from jan_ort.serving.choice import ModelChoice
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.lease import Lease
from jan_ort.serving.loading import LoadingStopped, ModelLoader, in_daemon_thread
from jan_ort.serving.memory import forget_frames, return_memory
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.serving_errors import ModelUnavailable
from jan_ort_backends import OutOfMemory

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""How long a failed load is the answer to whoever asks for the model; the next request after that tries again."""

_SLOW_S = 30.0


class Residency(StrEnum):
    """Where a model stands; only a loaded one holds memory."""

    UNLOADED = "unloaded"
    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"  # once nobody uses it
    FAILED = "failed"


class Resident:
    """Loads one model for whoever borrows it, once for all that wait, and keeps it while anybody uses it.

    Everything happens in the event loop, but for the loading and freeing itself. ``max_waiting`` bounds the requests
    that wait for a load. ``next_to_leave`` is asked for a model that this one may push out of memory.
    """

    def __init__(
        self,
        choice: ModelChoice,
        loader: ModelLoader,
        *,
        max_waiting: int,
        next_to_leave: Callable[[Resident], Resident | None] = lambda coming: None,
    ) -> None:
        self.choice = choice
        self.created = int(time.time())
        self.status = Residency.UNLOADED
        self.found: FoundModel | None = None
        self.model: ServedModel | None = None
        self.failure: Exception | None = None
        self._loader = loader
        self._max_waiting = max_waiting
        self._next_to_leave = next_to_leave
        self._num_waiting = 0
        self._num_users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._change: asyncio.Task[None] | None = None  # the load or unload that runs
        self._leaving: ServedModel | None = None
        self.last_used = self._failed_at = time.monotonic()

    @property
    def name(self) -> str:
        """The name that requests give and responses show; as it was configured, while the model was never found."""
        return self.choice.reference if self.found is None else self.found.folder.name

    @property
    def _subject(self) -> str:
        """What the log says: one name may be loaded for several tasks."""
        return f"{self.name} ({self.choice.task.kind})"

    @property
    def is_busy(self) -> bool:
        """Whether a request uses the model or waits for it."""
        return bool(self._num_users or self._num_waiting)

    @property
    def may_leave(self) -> bool:
        """Whether the model is in memory, and nobody would notice if it were not."""
        return self.model is not None and self._change is None and not self.is_busy

    def find(self, progress: Progress) -> None:
        """Fetch and convert the model, without loading it; blocks. Raises: ModelsError, NoBackendError."""
        self.found = self._loader.find(self.choice, progress)

    def fail(self, error: Exception) -> None:
        """Note what keeps the model from being served, but nothing of what was loaded until then."""
        self.status, self.failure, self._failed_at = Residency.FAILED, error, time.monotonic()
        debug = logger.isEnabledFor(logging.DEBUG)
        logger.error("the model %r cannot be loaded: %s", self.name, error, exc_info=error if debug else None)
        forget_frames(error)

    async def open(self, *, may_shrink: bool = True) -> None:
        """Load the model. Raises: ModelsError, BackendError, NoBackendError, LoadingStopped."""
        started = time.perf_counter()
        self.status, self.failure = Residency.LOADING, None
        opening = in_daemon_thread(lambda: self._open(may_shrink))
        while not (await asyncio.wait({opening}, timeout=_SLOW_S))[0]:
            logger.info("%s is still being opened after %.0f s", self._subject, time.perf_counter() - started)
        model = opening.result()
        self.model, self.status, self.last_used = model, Residency.LOADED, time.monotonic()
        logger.info("%s is loaded on %s after %.1f s", self._subject, model.device.used, time.perf_counter() - started)

    async def lend(self) -> Lease[ServedModel]:
        """Return the model, loaded by now, which stays so until the lease ends. Raises as ``load`` does."""
        await self.load()
        assert self.model is not None, "nothing has run since it was loaded"
        self._num_users += 1
        self._unused.clear()
        return Lease(self.model, self._end_use)

    def _end_use(self) -> None:
        self._num_users -= 1
        self.last_used = time.monotonic()
        if not self._num_users:
            self._unused.set()

    async def load(self, *, retry: bool = False) -> None:
        """Return once the model is loaded. Raises: ModelUnavailable, QueueFull, EngineStopped.

        A load that has just failed is not tried again, but with ``retry``.
        """
        while self.model is None:
            if self.failure is not None and not retry and time.monotonic() - self._failed_at < RETRY_S:
                raise self._error(self.failure)
            if self._num_waiting >= self._max_waiting:
                raise QueueFull(self._num_waiting, self._max_waiting)
            if self._change is None:
                self.failure = None
                self._change = asyncio.create_task(self._load())
            await self._wait(self._change)
            if self.failure is not None:
                raise self._error(self.failure)

    async def unload(self) -> None:
        """Unload the model once the requests that use it are over, and return when its memory is free.

        A request that comes meanwhile waits for that, and the model is loaded again for it: so steady traffic does not
        keep a model that is to go.
        """
        while self.status is not Residency.UNLOADING and self._change is not None:
            await asyncio.wait({self._change})
        if self.model is not None:
            self._begin_unload()
        if self._change is not None:
            await asyncio.wait({self._change})

    def unload_if_idle(self, ttl_s: float) -> None:
        """Begin to unload the model if nobody has used it for ``ttl_s`` seconds."""
        if self.is_busy:
            self.last_used = time.monotonic()
        elif self.model is not None and self._change is None and time.monotonic() - self.last_used >= ttl_s:
            self._begin_unload()

    async def close(self, grace_s: float) -> None:
        """End its requests and free it, loading or loaded; the loading thread gets ``grace_s`` to tidy up."""
        if self._change is not None and self._leaving is None:
            await asyncio.wait({self._change}, timeout=grace_s)
        if self._change is not None:
            self._change.cancel()
        for model in (self.model, self._leaving):
            if model is not None:
                await asyncio.to_thread(model.close)

    async def _wait(self, change: asyncio.Task[None]) -> None:
        """Wait without taking the change along when the request that waits is cancelled."""
        self._num_waiting += 1
        try:
            await asyncio.wait({change})
        finally:
            self._num_waiting -= 1

    async def _load(self) -> None:
        try:
            await self._open_where_room_is()
        except LoadingStopped:
            self.status, self.failure = Residency.UNLOADED, EngineStopped()
        except Exception as error:
            self.fail(error)
            await asyncio.to_thread(return_memory)
        finally:
            self._change = None

    async def _open_where_room_is(self) -> None:
        """Load the model as it was asked for if others can leave for it, else as it fits."""
        while self._next_to_leave(self) is not None:
            try:
                await self.open(may_shrink=False)
                return
            except (ModelTooLarge, OutOfMemory):
                if (leaving := self._next_to_leave(self)) is not None:
                    logger.info("%s makes room for %s", leaving.name, self.name)
                    await leaving.unload()
        await self.open()

    def _open(self, may_shrink: bool) -> ServedModel:
        if self.found is None or not self.found.is_here:
            self.find(LogProgress())
        assert self.found is not None
        return self._loader.open(self.choice, self.found, may_shrink=may_shrink)

    def _begin_unload(self) -> None:
        if self.is_busy:
            logger.info("%s is unloaded once the requests that use it have finished; new ones wait", self.name)
        self.status = Residency.UNLOADING
        self._leaving, self.model = self.model, None
        self._change = asyncio.create_task(self._unload())

    async def _unload(self) -> None:
        assert self._leaving is not None, "it begins with a model that leaves"
        await self._unused.wait()
        leaving, self._leaving = self._leaving, None
        try:
            await asyncio.to_thread(leaving.close)
        except Exception:
            logger.exception("%s was not closed properly", self.name)
        del leaving  # the last reference: what follows can free it
        await asyncio.to_thread(return_memory)
        self._loader.release(self.choice)
        self.status, self._change = Residency.UNLOADED, None
        logger.info("%s is unloaded", self.name)

    def _error(self, failure: Exception) -> Exception:
        """Return a new exception for each request: one that several raise would collect their tracebacks."""
        if isinstance(failure, EngineStopped):
            return EngineStopped()
        return ModelUnavailable(self.name, failure, RETRY_S)
