"""From a chosen model to an open one: fetched and converted if need be, and opened by its backend."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeVar

from jan_ort.engine.in_flight import Delivery
from jan_ort.ground.progress import Progress
from jan_ort.serving.choice import ModelChoice, find_in
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.memory_ledger import MemoryLedger
from jan_ort.serving.served_model import ServedModel
from jan_ort.serving.served_task import ServedTask
from jan_ort.serving.served_tasks import served_task
from jan_ort.settings.schema import Settings
from jan_ort_backends import Discovered

Result = TypeVar("Result")


class LoadingStopped(BaseException):
    """Raised in a loading thread when the server is to stop; no handler of mere errors may swallow it."""


@dataclass(frozen=True, slots=True)
class ModelLoader:
    """Finds and opens models; both take long, and are done in a thread. ``is_stopping`` is asked on the way."""

    settings: Settings
    discovered: Sequence[Discovered]
    deliver: Delivery
    is_stopping: Callable[[], bool]
    ledger: MemoryLedger = field(default_factory=MemoryLedger)

    def find(self, choice: ModelChoice, progress: Progress) -> FoundModel:
        """Return the model, fetched and converted if need be. Raises: ModelsError, NoBackendError, LoadingStopped."""

        def show(stage: str, fraction: float, /) -> None:
            self._check_stopping()
            progress(stage, fraction)

        self._check_stopping()
        draft = None if choice.draft is None else self.find(choice.draft, progress)
        if choice.found is not None and choice.found.is_here:
            return replace(choice.found, draft=draft)  # it was there when the settings were checked
        path = choice.source.make(choice.wanted(self.settings), self.settings.cache_dir, show)
        self._check_stopping()
        return replace(find_in(path, choice, self.settings, self.discovered), draft=draft)

    def open(self, choice: ModelChoice, found: FoundModel, *, may_shrink: bool = True) -> ServedModel:
        """Return the model, ready to be asked; with a shorter context where it ``may_shrink`` and must.

        Raises: ModelsError, BackendError, LoadingStopped, NoBackendError.
        """
        self._check_stopping()
        served: ServedTask[ServedModel] = served_task(choice.task)
        own = choice.own(self.settings)
        settings = self.ledger.admit(choice.key, choice.task, found, own, may_shrink=may_shrink)
        try:
            model = served.open(found, settings, self.deliver)
            if self.is_stopping():
                model.close()
                raise LoadingStopped
        except BaseException:
            self.release(choice)
            raise
        return model

    def release(self, choice: ModelChoice) -> None:
        """Note that a model which was opened is closed, and its memory free."""
        self.ledger.release(choice.key)

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
