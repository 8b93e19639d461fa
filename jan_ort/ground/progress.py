"""How long work is shown: a bar on a terminal, a few log lines elsewhere."""

from __future__ import annotations

import logging
import sys
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


def silent(stage: str, fraction: float, /) -> None:
    """Show nothing."""


class LogProgress:
    """Log one line when a stage begins and one for every quarter of it; a new stage name begins a new stage."""

    def __init__(self) -> None:
        self._stage: str | None = None
        self._quarters = 0

    def __call__(self, stage: str, fraction: float, /) -> None:
        """Log a line if ``stage`` is new or has come to its next quarter."""
        if stage != self._stage:
            self._stage, self._quarters = stage, 0
            logger.info("%s", stage)
        quarters = int(min(1.0, fraction) / _LOG_STEP)
        if quarters > self._quarters:
            self._quarters = quarters
            logger.info("%s: %d %%", stage, quarters * 25)


@contextmanager
def show_progress(stream: TextIO | None = None) -> Iterator[Progress]:
    """Yield a progress bar on ``stream`` (standard error by default) if it is a terminal, else a LogProgress."""
    stream = stream or sys.stderr
    if not stream.isatty():
        yield LogProgress()
        return
    from rich.console import Console  # imported late: a start that has nothing to show must not pay for it
    from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(file=stream)) as bars:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, fraction: float, /) -> None:
            if stage not in tasks:
                for task in tasks.values():
                    bars.update(task, completed=1.0)
                tasks[stage] = bars.add_task(shown(stage, _LONGEST_STAGE), total=1.0)
            bars.update(tasks[stage], completed=min(1.0, fraction))

        yield show
