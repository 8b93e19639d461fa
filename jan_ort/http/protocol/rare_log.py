"""Log lines that a client can cause as often as it likes: one a second at most."""

from __future__ import annotations

import logging
import time

_INTERVAL_S = 1.0


class RareLog:
    """Writes a line at most once a second, and says how many were left out before it."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next_at = 0.0
        self._num_left_out = 0

    def warning(self, message: str, *args: object) -> None:
        """Log a line, or count it."""
        now = time.monotonic()
        if now < self._next_at:
            self._num_left_out += 1
            return
        left_out = f" ({self._num_left_out} such lines left out before)" if self._num_left_out else ""
        self._logger.warning(f"{message}{left_out}", *args)  # noqa: G004  (a number, and no text of a client's)
        self._next_at, self._num_left_out = now + _INTERVAL_S, 0
