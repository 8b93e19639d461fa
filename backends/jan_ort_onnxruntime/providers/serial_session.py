"""A session whose runs wait for those of every other session on the same device."""

from __future__ import annotations

import threading
from typing import Any

_locks: dict[str, threading.Lock] = {}
_guard = threading.Lock()


def device_lock(device_key: str) -> threading.Lock:
    """Return the one lock of a device."""
    with _guard:
        return _locks.setdefault(device_key, threading.Lock())


class SerialSession:
    """An InferenceSession whose runs hold the device's lock; what runs nothing goes through."""

    def __init__(self, session: Any, lock: threading.Lock) -> None:
        self._session = session
        self._lock = lock

    def run(self, *arguments: Any, **named: Any) -> Any:
        """Run the graph alone on its device."""
        with self._lock:
            return self._session.run(*arguments, **named)

    def run_with_iobinding(self, *arguments: Any, **named: Any) -> None:
        """Run the graph on bound tensors, alone on its device."""
        with self._lock:
            self._session.run_with_iobinding(*arguments, **named)

    def run_with_ort_values(self, *arguments: Any, **named: Any) -> Any:
        """Run the graph on tensors of the runtime's own, alone on its device."""
        with self._lock:
            return self._session.run_with_ort_values(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("run"):
            raise AttributeError(f"{name} would run beside another session of the device; add it here, with the lock")
        return getattr(self._session, name)
