"""How a step is ended from another thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import onnxruntime as ort


class Interruption:
    """Free of races by giving every step RunOptions of its own.

    ``interrupt`` marks those of the step that runs at that moment, and does nothing between steps. A step that was
    about to end may still succeed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run_options: ort.RunOptions | None = None

    @contextmanager
    def step(self) -> Iterator[ort.RunOptions]:
        """Yield the options for all runs of one step."""
        with self._lock:
            run_options = self._run_options = ort.RunOptions()
        try:
            yield run_options
        finally:
            with self._lock:
                self._run_options = None

    def interrupt(self) -> None:
        """End the running step within a node's time; between steps, do nothing."""
        with self._lock:
            if self._run_options is not None:
                self._run_options.terminate = True
