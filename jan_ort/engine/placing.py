"""Carries out where a sequence goes: what its slot is to hold is copied or loaded, and what it held is kept (hop 6)."""

from __future__ import annotations

import logging
import time

from jan_ort.engine.prefix_pool import PrefixPool
from jan_ort.engine.slots import Evicted, Placement, SlotTable
from jan_ort_backends import BackendError, DeviceLost, Session

logger = logging.getLogger(__name__)

KEEP_S = 3.0
"""How long a session that is closed is asked for what its slots hold."""


class PrefixLost(Exception):
    """Raised when a prefix of the pool cannot be loaded, so that its prompt is to be computed."""


def carry_out(placement: Placement, session: Session, pool: PrefixPool) -> None:
    """Let a slot hold what its placement says. Raises: PrefixLost, and what the session does."""
    prefix, slot = placement.prefix, placement.slot
    state = None if placement.saved is None else placement.saved.state
    if prefix is not None:
        state = pool.load(prefix)  # before the pool needs room for what is evicted
    if placement.evicted is not None:
        keep(placement.evicted, slot, session, pool)
    if state is not None:
        try:
            session.load(slot, state)
        except BackendError as error:
            if prefix is None or isinstance(error, DeviceLost):
                raise
            pool.forget(prefix)
            raise PrefixLost(f"a cached prompt of {len(prefix.tokens)} tokens cannot be loaded: {error}") from error
        if prefix is not None and placement.length < len(prefix.tokens):
            session.truncate(slot, placement.length)
    elif prefix is not None:
        raise PrefixLost(f"a cached prompt of {len(prefix.tokens)} tokens is not there any more")
    elif placement.source != slot:
        session.fork(placement.source, slot, placement.length)
    else:
        session.truncate(slot, placement.length)


def keep(evicted: Evicted, slot: int, session: Session, pool: PrefixPool, *, waits: bool = False) -> None:
    """Save a slot to the pool, cut to these tokens; where that fails they are lost. Raises: DeviceLost."""
    try:
        session.truncate(slot, len(evicted.tokens))
        pool.add(*evicted, session.save(slot), waits=waits)
    except DeviceLost:
        raise
    except BackendError as error:
        logger.warning("a prompt of %d tokens is not kept for later: %s", len(evicted.tokens), error)


def keep_all(slots: SlotTable, session: Session, pool: PrefixPool) -> None:
    """Save what slots cache to the pool, the last used first; for a later process, if the pool outlives this one."""
    until = time.monotonic() + KEEP_S
    for slot in sorted(slots.slots, key=lambda each: -each.last_used) if pool.is_stored else ():
        evicted = slots.evicted(Placement(slot.index, slot.index, 0))
        if evicted is not None and not pool.has(*evicted) and time.monotonic() < until:
            try:
                keep(evicted, slot.index, session, pool, waits=True)
            except DeviceLost:
                return
