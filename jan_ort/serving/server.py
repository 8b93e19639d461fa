"""The state behind the app: which models are configured, and whether requests can be taken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from typing import cast

from jan_ort.engine.results import deliver_to
from jan_ort.ground.progress import show_progress
from jan_ort.serving.choice import Checked, check_settings
from jan_ort.serving.lease import Lease
from jan_ort.serving.loading import LoadingStopped, ModelLoader, in_daemon_thread
from jan_ort.serving.resident import Resident
from jan_ort.serving.roster import Roster
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.served_task import Model, ServedTask
from jan_ort.serving.serving_errors import NotServing
from jan_ort.settings.schema import Settings

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """Where the server stands; only ``READY`` takes requests, and ``DRAINING`` finishes those that it has taken."""

    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"
    DRAINING = "draining"
    STOPPING = "stopping"


_LOADING_GRACE_S = 3.0
"""How long a stop waits for the loading thread to tidy up what it has half fetched."""


class Server:
    """Finds the configured models, and lends them to the handlers.

    ``checked`` is what ``check_settings`` has found, if it was asked already. ``on_failure`` is called once, in the
    event loop, if one that is to be loaded at the start cannot be.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        checked: Checked | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> None:
        self.settings = settings
        self._checked = checked
        self.status = Status.LOADING
        self.failure: Exception | None = None
        self._stage = ""
        self.roster = Roster()
        self._on_failure = on_failure
        self._loading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self.draining, self.drained = asyncio.Event(), asyncio.Event()
        self._num_requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def start(self) -> None:
        """Begin to load in a task; requests are answered 503 until it is done."""
        self._loading = asyncio.create_task(self._load())
        if self.settings.model_ttl_s:
            self._watching = asyncio.create_task(self._unload_idle(self.settings.model_ttl_s))

    async def wait_loaded(self) -> bool:
        """Return once loading is over: whether requests are taken now."""
        assert self._loading is not None, "it was started"
        await asyncio.wait({self._loading})
        return self.status is Status.READY

    async def stop(self, drain_s: float = 0.0) -> None:
        """Refuse new requests, let those that were taken finish for ``drain_s``, end the rest, free everything.

        May be called twice; the first call's time counts.
        """
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(drain_s))
        await asyncio.shield(self._stopping)

    async def _stop(self, drain_s: float) -> None:
        if drain_s and self._num_requests:
            await self._drain(drain_s)
        self.status = Status.STOPPING
        self.drained.set()
        if self._watching is not None:
            self._watching.cancel()
        if self._loading is not None:
            await asyncio.wait({self._loading}, timeout=_LOADING_GRACE_S)
            self._loading.cancel()
        await asyncio.gather(*(each.close(_LOADING_GRACE_S) for each in self.roster.residents))

    async def _drain(self, limit_s: float) -> None:
        """Wait until the requests that were taken are answered, but not longer than ``limit_s``."""
        self.status = Status.DRAINING
        self.draining.set()
        logger.info(
            "%d requests get %g s to finish; a second signal ends the server at once", self._num_requests, limit_s
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._idle.wait()
        if self._num_requests:
            logger.warning("%d requests are cut off, as they did not finish within %g s", self._num_requests, limit_s)

    def roster_names(self) -> frozenset[str]:
        """Return the names that models are served under."""
        return frozenset(self.roster.by_name())

    @property
    def is_stopping(self) -> bool:
        """Whether the server takes no request any more, although it may still finish some."""
        return self.status in (Status.DRAINING, Status.STOPPING)

    def check_ready(self) -> None:
        """Refuse while no request can be taken. Raises: NotServing."""
        if self.status is not Status.READY:
            raise NotServing(self.status, self.failure, self._stage if self.status is Status.LOADING else "")

    def take_request(self) -> Callable[[], None]:
        """Count a request, which a stop then lets finish; return what to call at its end. Raises: NotServing."""
        self.check_ready()
        self._num_requests += 1
        self._idle.clear()
        return self._end_request

    def _end_request(self) -> None:
        self._num_requests -= 1
        if not self._num_requests:
            self._idle.set()

    def _check_lending(self) -> None:
        """Refuse also what was taken, once the server stops. Raises: NotServing."""
        if self.status is not Status.DRAINING:
            self.check_ready()

    async def lend(self, served: ServedTask[Model], name: str | None) -> Lease[Model]:
        """Lend the model for a task, loaded first if need be. Raises: ServingError, QueueFull."""
        lease = await self._lend(lambda: self.roster.find(served.task, name))
        assert isinstance(lease.model, served.model_type), "opened for this task"
        return cast(Lease[Model], lease)

    async def lend_for_tokens(self, name: str | None) -> Lease[ServedModel]:
        """Lend the model whose tokenizer is meant, loaded first if need be. Raises: ServingError, QueueFull."""
        return await self._lend(lambda: self.roster.for_tokens(name))

    async def _lend(self, find: Callable[[], Resident]) -> Lease[ServedModel]:
        self._check_lending()  # the server may have begun to stop while the body was read
        lease = await find().lend()
        try:
            self._check_lending()  # and while the model was loaded
        except NotServing:
            lease.release()
            raise
        return lease

    async def _load(self) -> None:
        started = time.perf_counter()
        try:
            await self._load_models()
        except LoadingStopped:
            logger.info("stopped while loading")
        except Exception as error:
            self.status, self.failure = Status.FAILED, error
            logger.error("the models cannot be loaded: %s", error, exc_info=logger.isEnabledFor(logging.DEBUG))
            if self._on_failure is not None:
                self._on_failure(error)
        else:
            if self.status is not Status.LOADING:
                return  # it is stopping
            self.status = Status.READY
            names = ", ".join(dict.fromkeys(map(_standing, self.roster.residents)))
            logger.info("ready after %.1f s: %s", time.perf_counter() - started, names)

    async def _load_models(self) -> None:
        """Find every model, and load those that are to be loaded at the start. Raises: what keeps one from it."""
        deliver = deliver_to(asyncio.get_running_loop())
        self.roster = await in_daemon_thread(lambda: self._find_models(deliver))
        self.roster.check_names()
        if self.settings.load == "start":
            # What cannot be made smaller comes first, for the others take no more than is left.
            for each in sorted(self.roster.residents, key=lambda each: each.choice.task.takes_context_length):
                self._stage = f"opening {each.name}"
                await each.open()

    def _find_models(self, deliver: Callable[..., None]) -> Roster:
        discovered, choices = self._checked or check_settings(self.settings)
        loader = ModelLoader(self.settings, discovered, deliver, lambda: self.status is Status.STOPPING)
        residents = [
            Resident(choice, loader, max_waiting=self.settings.max_queued, next_to_leave=self._next_to_leave)
            for choice in choices
        ]
        with show_progress() as shown:

            def progress(stage: str, fraction: float, /) -> None:
                self._stage = f"{stage}, {fraction:.0%}"
                shown(stage, fraction)

            for each in residents:
                try:
                    each.find(progress)
                except Exception as error:
                    if self.settings.load == "start":
                        raise
                    each.fail(error)  # the others can be served
        return Roster(residents, is_strict=self.settings.strict_openai)

    def _next_to_leave(self, coming: Resident) -> Resident | None:
        """Return the least recently used model that may leave for another; all stay that were loaded at the start."""
        if self.settings.load == "start":
            return None
        others = [each for each in self.roster.residents if each is not coming and each.may_leave]
        return min(others, key=lambda each: each.last_used, default=None)

    async def _unload_idle(self, ttl_s: float) -> None:
        while True:
            await asyncio.sleep(min(1.0, ttl_s / 4))
            for each in self.roster.residents:
                each.unload_if_idle(ttl_s)


def _standing(resident: Resident) -> str:
    if resident.failure is not None:
        return f"{resident.name} (failed)"
    return f"{resident.name} " + ("(not loaded)" if resident.model is None else f"on {resident.model.device.used}")
