"""Sockets that listen already when the process begins, as systemd passes them (sd_listen_fds; hop 1)."""

from __future__ import annotations

import os
import socket
import sys

_FIRST = 3


class PassedSocketError(Exception):
    """Raised when a socket that was passed is none that HTTP is served on."""


def passed_sockets() -> list[socket.socket]:
    """Take the sockets that were meant for this process; there are none to take a second time.

    Raises: PassedSocketError.
    """
    meant_for, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS", "")
    if sys.platform == "win32" or meant_for != str(os.getpid()):
        return []
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)  # nor for the processes that this one starts
    if not count.isdecimal():
        raise PassedSocketError(f"the variable LISTEN_FDS is {count!r}, not a number of sockets")
    return [_taken(number) for number in range(_FIRST, _FIRST + int(count))]


def _taken(number: int) -> socket.socket:
    try:
        taken = socket.socket(fileno=number)
    except OSError as error:
        raise PassedSocketError(
            f"file descriptor {number} was passed (LISTEN_FDS), which is not a socket: {error}"
        ) from error
    if taken.family not in (socket.AF_INET, socket.AF_INET6) or taken.type != socket.SOCK_STREAM:
        raise PassedSocketError(
            f"the socket that was passed ({taken.family.name}, {taken.type.name}) is not a TCP socket; set "
            "ListenStream= to "
            "an address and a port"
        )
    taken.setblocking(False)
    taken.set_inheritable(False)
    return taken
