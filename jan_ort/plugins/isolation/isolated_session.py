"""A session whose model lives in a process of its own: a crash there is a lost device here (hop 6)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jan_ort.ground.shown_text import is_in_json
from jan_ort.plugins.guarded_session import check_info
from jan_ort.plugins.isolation.session_process import ProcessEnded, SessionProcess
from jan_ort_backends import Backend, Embedded, ModelError, OpenOptions, Session, SessionInfo, SlotTokens, StepOutput
from jan_ort_backends.images import Detail
from jan_ort_backends.registry import is_registered
from jan_ort_backends.states import State

logger = logging.getLogger(__name__)


class IsolatedSession(Session):
    """Does what the session in ``process`` does, which checks and guards the plugin's own there.

    Each method raises what that one raises, and DeviceLost once the process has ended.
    """

    def __init__(self, process: SessionProcess, info: SessionInfo) -> None:
        self._process = process
        self.info = info

    def step(self, batch: Sequence[SlotTokens]) -> StepOutput:
        """Run a step; its logits lie in memory that the next one overwrites."""
        rows = [(row.slot, row.token_ids.tolist(), row.num_logits, row.keep, row.embedded) for row in batch]
        logits, top_logits, top_token_ids = self._process.window.get(self._process.ask("step", rows))
        assert logits is not None, "the child has checked the output"
        return StepOutput(logits, top_logits, top_token_ids)

    def length(self, slot: int) -> int:
        """Return the number of tokens in ``slot``."""
        length: int = self._process.ask("length", slot)
        return length

    def truncate(self, slot: int, length: int) -> None:
        """Forget all but the first ``length`` tokens of ``slot``."""
        self._process.ask("truncate", slot, length)

    def fork(self, source: int, target: int, length: int) -> None:
        """Make ``target`` a copy of the first ``length`` tokens of ``source``."""
        self._process.ask("fork", source, target, length)

    def save(self, slot: int) -> State:
        """Return what ``slot`` holds as bytes."""
        (state,) = self._process.window.get(self._process.ask("save", slot))
        assert state is not None, "the child has checked it"
        return state.copy()

    def load(self, slot: int, state: State) -> None:
        """Make ``slot`` hold what was saved."""
        self._process.ask("load", slot, state)

    def interrupt(self) -> None:
        """End the running step, if any."""
        self._process.interrupt()

    def embed(self, batch: Sequence[NDArray[np.int64]]) -> NDArray[np.float32]:
        """Return one vector per row."""
        told = self._process.ask("embed", [token_ids.tolist() for token_ids in batch])
        (vectors,) = self._process.window.get(told)
        assert vectors is not None, "the child has checked them"
        return vectors.copy()

    def encode_image(self, pixels: NDArray[np.uint8], detail: Detail = "auto") -> Embedded:
        """Return what stands in a prompt for an image; a step waits meanwhile, for the process has one thread."""
        encoded: Embedded = self._process.ask("encode_image", pixels, detail)
        return encoded

    def loss(self) -> ProcessEnded | None:
        """Return what the next call would raise because the process has ended; quick."""
        return self._process.loss()

    def kill(self) -> bool:
        """End the process at once, from any thread; a call that is running raises DeviceLost. Return whether it ran."""
        return self._process.kill()

    def close(self) -> None:
        """Free the model and end its process; one that hangs is ended by force."""
        self._process.close()


def open_isolated(backend: Backend, model_dir: Path, options: OpenOptions) -> IsolatedSession:
    """Start a process and open a session there. Raises: BackendError and its kinds, and nothing else."""
    if is_registered(backend):
        raise ModelError(
            f"backend {backend.name!r} is not an installed plugin but one that this process has registered; another "
            "process cannot open it: do without --isolate"
        )
    try:
        process = SessionProcess(backend.name)
    except OSError as error:
        raise ModelError(f"no process can be started for {model_dir}: {error}") from error
    try:
        info = process.ask(
            "open", backend.name, model_dir, options, logging.getLogger().getEffectiveLevel(), is_in_json()
        )
        check_info(backend, info)
    except BaseException as error:
        process.end()
        if isinstance(error, ProcessEnded):
            raise ModelError(f"backend {backend.name!r} failed to open {model_dir}: {error}") from error
        raise
    logger.info("%s runs in the process %d", model_dir.name, process.pid)
    return IsolatedSession(process, info)
