"""How long work is shown: a bar on a terminal, a few log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

from jan_ort.ground.shown_text import shown

logger = logging.getLogger(__name__)

_LOG_STEP = 0.25
_LONGEST_STAGE = 80


class Progress(Protocol):
    """Receives the name of the stage that runs and the fraction of it that is done, in [0, 1]."""

    def __call__(self, stage: str, fraction: float, /) -> None:
        """Show that ``stage`` has come to ``fraction``."""
        ...


class ByteShare(float):
    """A fraction of ``total_bytes``, for whoever shows how many and how fast."""

    total_bytes: int

    def __new__(cls, fraction: float, total_bytes: int) -> ByteShare:
        """Make one; a share of nothing is as good as any fraction."""
        share = super().__new__(cls, min(1.0, fraction))
        share.total_bytes = total_bytes
        return share


def in_bytes(progress: Progress, total_bytes: int) -> Progress:
    """Return what passes fractions on as shares of so many bytes."""
    return lambda stage, fraction: progress(stage, ByteShare(fraction, total_bytes))


def silent(stage: str, fraction: float, /) -> None:
    """Show nothing."""


class LogProgress:
    """Log one line when a stage begins and one for every quarter of it; a new stage name begins a new stage.

    A share of bytes is told in MB, with the rate and the time that is left.
    """

    def __init__(self) -> None:
        self._stage: str | None = None
        self._quarters = 0
        self._begin = 0.0

    def __call__(self, stage: str, fraction: float, /) -> None:
        """Log a line if ``stage`` is new or has come to its next quarter."""
        if stage != self._stage:
            self._stage, self._quarters, self._begin = stage, 0, time.monotonic()
            logger.info("%s", stage)
        quarters = int(min(1.0, fraction) / _LOG_STEP)
        if quarters > self._quarters:
            self._quarters = quarters
            amount = _amount(fraction, time.monotonic() - self._begin)
            logger.info("%s: %d %%%s", stage, min(1.0, fraction) * 100, amount and f" ({amount})")


def _amount(fraction: float, elapsed_s: float) -> str:
    """Return how much is done, how fast, and how long the rest will take; nothing where no bytes are known."""
    if not isinstance(fraction, ByteShare) or not fraction.total_bytes:
        return ""
    total = fraction.total_bytes / 1e6
    done = fraction * total
    if not done or elapsed_s <= 0:
        return f"{done:,.0f} of {total:,.0f} MB"
    rate = done / elapsed_s
    return f"{done:,.0f} of {total:,.0f} MB, {rate:,.1f} MB/s, {(total - done) / rate:,.0f} s left"


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield a progress bar on ``stream`` (standard error by default) if it is a terminal, else a LogProgress."""
    stream = stream or sys.stderr
    if stream is None or not stream.isatty():  # none: hypercorn's command, as a service
        yield LogProgress()
        return
    from rich.console import Console  # imported late: a start that has nothing to show must not pay for it
    from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(file=stream)) as bars:
        tasks: dict[str, TaskID] = {}
        begins: dict[str, float] = {}
        amounts: dict[str, str] = {}

        def show(stage: str, fraction: float, /) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=1.0)
                tasks[stage] = bars.add_task(shown(stage, _LONGEST_STAGE), total=1.0, amount="")
                begins[stage] = time.monotonic()
            amount = _amount(fraction, time.monotonic() - begins[stage]).rpartition(", ")[0]
            amounts[stage] = amount or amounts.get(stage, "")  # a stage's end is told without bytes: the last ones stay
            bars.update(tasks[stage], completed=min(1.0, fraction), amount=amounts[stage])

        yield show
