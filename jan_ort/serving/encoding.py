"""A model that reads texts whole, over a session that is opened again after its device was lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from jan_ort.engine.engine_errors import EngineStopped, QueueFull, StepFailed
from jan_ort.engine.recovery import CLOSE_S, KILL_S, Recovery, Reopen, kill
from jan_ort.ground.task import Task
from jan_ort.models.cache.model_use import ModelUse
from jan_ort.serving.found_model import FoundModel
from jan_ort.serving.served_model import ServedModel, open_session, open_tokenizer
from jan_ort.settings.schema import Settings
from jan_ort_backends import (
    BackendError,
    BadInput,
    ContextOverflow,
    DeviceLost,
    DeviceReport,
    Session,
)

logger = logging.getLogger(__name__)

MAX_PART_TOKENS = 1024
"""Tokens that one request has computed before others have their turn: some tens of milliseconds of a small model."""


@dataclass(frozen=True, kw_only=True)
class EncodingModel(ServedModel):
    """A model that reads texts whole, and gives numbers of each; one thread owns its session."""

    session: Session
    thread: ThreadPoolExecutor
    max_queued: int = 512
    queued: set[Future[NDArray[np.float32]]] = field(default_factory=set)

    async def encoded(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector a row of token ids: float32 ``(len(batch), embedding_size)``.

        A large batch is computed in parts, between which those of other requests have their turn. Raises: QueueFull if
        as many requests as sequences may be queued wait already; EngineStopped; StepFailed; BadInput, ContextOverflow,
        DeviceLost.
        """
        if len(self.queued) >= self.max_queued:
            raise QueueFull(len(self.queued), self.max_queued)
        parts = list(_parts([len(token_ids) for token_ids in batch]))
        vectors = [await self._encoded_part([batch[at] for at in part]) for part in parts]
        if len(parts) == 1 and len(batch) == 1:
            return vectors[0]
        in_order = np.argsort(np.concatenate(parts))
        result: NDArray[np.float32] = np.concatenate(vectors)[in_order]
        return result

    async def _encoded_part(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        try:
            future = self.thread.submit(self.session.embed, batch)
        except RuntimeError as error:  # the thread is shut down
            raise EngineStopped from error
        self.queued.add(future)
        future.add_done_callback(self.queued.discard)  # not before: a batch runs on when its client has gone
        try:
            return await asyncio.wrap_future(future)
        except BackendError as error:
            if isinstance(error, (BadInput, ContextOverflow, DeviceLost)):
                raise
            logger.warning("the backend failed to embed: %s", error)
            raise StepFailed(f"the backend failed: {error}") from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise  # the client has gone
            raise EngineStopped from None  # close() has dropped the batch

    @property
    def device(self) -> DeviceReport:
        """Where the model runs now; it may run elsewhere after its device was lost."""
        return self.session.info.device

    def close(self) -> bool:
        """Wait for the batch that is running, but not for ever, and free the model. May be called twice.

        Returns whether it is free.
        """
        try:
            self.thread.shutdown(wait=False, cancel_futures=True)
            if not self._comes_back(min(KILL_S, CLOSE_S)) and not self._ends(CLOSE_S):
                logger.warning("%s is abandoned: its backend has not returned after %g s", self.name, CLOSE_S)
                return False
            self.session.close()
            return True
        finally:
            self.close_base()

    def _comes_back(self, within_s: float) -> bool:
        return not wait(list(self.queued), within_s).not_done

    def _ends(self, within_s: float) -> bool:
        kill(self.session)  # one in this process cannot be, and gets more time
        return self._comes_back(within_s)


EncodingKind = TypeVar("EncodingKind", bound=EncodingModel)


def open_encoding(kind: type[EncodingKind], task: Task, found: FoundModel, settings: Settings) -> EncodingKind:
    """Open a model for a task. Raises: BackendError, ModelFolderError."""
    folder, backend = found.folder, found.backend
    with ExitStack() as undo:  # what is open already, if a later part fails
        use = undo.enter_context(closing(ModelUse(folder.path)))
        opened = undo.enter_context(closing(open_session(folder.path, backend, settings, task)))
        tokenizer = open_tokenizer(folder, settings.max_text_bytes, backend=backend)
        undo.pop_all()
    session = RecoveringEmbedder(opened, lambda: open_session(folder.path, backend, settings, task))
    return kind(
        folder=folder,
        use=use,
        tokenizer=tokenizer,
        backend=backend.name,
        context_length=session.info.context_length,
        weights_hash=session.info.weights_hash,
        session=session,
        thread=ThreadPoolExecutor(1, thread_name_prefix=task.name),
        max_queued=settings.max_queued,
    )


class RecoveringEmbedder(Session):
    """``session``, replaced by a new one from ``reopen`` at the first call after a loss at which that succeeds."""

    def __init__(self, session: Session, reopen: Reopen) -> None:
        self._session = session
        self._recovery = Recovery(reopen)
        self.info = session.info

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Embed, or open the session again first; a batch that fails is tried row by row, once.

        Raises: DeviceUnavailable; what a session's embed raises.
        """
        if (revived := self._recovery.revive(self._session)) is not None:
            self._session, self.info = revived, revived.info
        if (unavailable := self._recovery.unavailable) is not None:
            session = self._recovery.attempt(self._session)
            if session is None:
                raise unavailable
            self._session, self.info = session, session.info
        try:
            return self._session.embed(batch)
        except DeviceLost as error:
            raise self._recovery.begin(error) or error from error
        except (BadInput, ContextOverflow):
            raise
        except BackendError as error:
            if len(batch) == 1:
                raise
            logger.warning("a batch of %d inputs failed, and each is tried alone: %s", len(batch), error)
            return np.concatenate([self.embed([token_ids]) for token_ids in batch])

    def kill(self) -> bool:
        """End the session's process at once, if it has one of its own; return whether."""
        return kill(self._session)

    def close(self) -> None:
        """Free the session."""
        self._session.close()


def _parts(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Yield the indices of rows that are computed together: by length, so that backends pad little."""
    part: list[int] = []
    num_tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: lengths[index]):
        if part and num_tokens + lengths[index] > MAX_PART_TOKENS:
            yield part
            part, num_tokens = [], 0
        part.append(index)
        num_tokens += lengths[index]
    yield part
