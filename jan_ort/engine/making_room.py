"""Sequences set aside for requests that have no slot: what their slots held waits with them (hop 5)."""

from __future__ import annotations

import logging

from jan_ort.engine.model_runner import ModelRunner
from jan_ort.engine.scheduler import Scheduler
from jan_ort.engine.statistics import EngineStatistics

logger = logging.getLogger(__name__)


def make_room(scheduler: Scheduler, runner: ModelRunner, statistics: EngineStatistics) -> BaseException | None:
    """Set a sequence aside, if one is to be; return what has kept it from that.

    One that cannot be saved goes on in its slot, and is not asked again.
    """
    sequence = scheduler.to_set_aside()
    if sequence is None:
        return None
    try:
        state = runner.save(sequence)
    except BaseException as error:
        logger.warning("a sequence of %s cannot be set aside for others: %s", sequence.request_id, error)
        sequence.keeps_slot = True
        return error
    scheduler.set_aside(sequence, state)
    scheduler.pool.make_room()
    statistics.num_set_aside += 1
    return None
