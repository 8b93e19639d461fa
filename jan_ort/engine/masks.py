"""Which tokens the grammars of a step's sequences allow, computed while the session computes the logits (hop 7)."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

from jan_ort.engine.generation import Generation


class MaskWorker:
    """One thread for all constrained sequences of an engine, started when the first one comes."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._running: list[Future[None]] = []

    def begin(self, generations: Iterable[Generation]) -> None:
        """Begin to compute what each of the constrained ones may say next."""
        for generation in generations:
            if generation.constraint is None:
                continue
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, thread_name_prefix="grammar")
            self._running.append(self._thread.submit(generation.update_allowed))

    def finish(self) -> None:
        """Wait for what was begun."""
        running, self._running = self._running, []
        for future in running:
            future.result()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)
