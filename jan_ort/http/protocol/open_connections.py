"""The connections of a server: how many there may be, and which give way to new ones (hop 1)."""

from __future__ import annotations

import logging
from typing import Protocol

from jan_ort.http.protocol.rare_log import RareLog

_rarely = RareLog(logging.getLogger(__name__))


class Connection(Protocol):
    """What is counted, and may be cut."""

    @property
    def waits_since(self) -> float | None:
        """Since when it waits for its client, to send a request's body or to take an answer's; None if it does not."""
        ...

    def cut(self) -> None:
        """End it at once."""
        ...


class OpenConnections:
    """At most ``limit`` connections. New ones displace those without a request, then those that wait for a client."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Connection] = set()
        self._idle: dict[Connection, None] = {}
        """Those without a request in progress, the longest idle first."""

    def admit(self, connection: Connection) -> bool:
        """Take a new connection; False if there is no room, and none that could give way."""
        if len(self._open) >= self._limit:
            displaced = self._least_needed()
            if displaced is None:
                _rarely.warning("refused a connection: %d are open, and all are in use", self._limit)
                return False
            _rarely.warning("closed an idle connection to make room for a new one: %d are open", self._limit)
            self.leave(displaced)
            displaced.cut()
        self._open.add(connection)
        self._idle[connection] = None
        return True

    def _least_needed(self) -> Connection | None:
        if self._idle:
            return next(iter(self._idle))
        waiting = [(each.waits_since, each) for each in self._open if each.waits_since is not None]
        return min(waiting, key=lambda pair: pair[0], default=(None, None))[1]

    def note(self, connection: Connection, *, is_idle: bool) -> None:
        """Note that a connection has a request in progress, or none any more."""
        self._idle.pop(connection, None)
        if is_idle and connection in self._open:
            self._idle[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self._open.discard(connection)
        self._idle.pop(connection, None)
