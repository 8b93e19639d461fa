"""What a service consists of, as values: files, and the commands around them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jan_ort.http.launcher import UNATTENDED_DRAIN_S

DESCRIPTION = "jan-ort: language models with OpenAI's API"

STOP_MARGIN_S = 10.0
"""For models to be freed after the last request."""


class ServiceError(Exception):
    """Raised when a service cannot be written or its system refuses it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ServedAs:
    """What a service shall run, and for whom: ``is_system`` for the machine, otherwise for the user who asks."""

    name: str
    config: Path | None
    host: str
    port: int
    drain_s: float | None
    is_system: bool
    with_socket: bool

    @property
    def stop_s(self) -> int:
        """Seconds that whoever stops it must wait: for running requests, and for its models."""
        return round((UNATTENDED_DRAIN_S if self.drain_s is None else self.drain_s) + STOP_MARGIN_S)

    def command(self, executable: str = sys.executable, config: str | None = None) -> list[str]:
        """Return the command of the server; ``config`` stands for the settings file, where it is elsewhere then."""
        given = config or (str(self.config) if self.config else None)
        return [executable, "-m", "jan_ort", "serve", *(["--config", given] if given else [])]


@dataclass(frozen=True, slots=True)
class Command:
    """A command to run; ``may_fail`` for one that undoes what may not be there."""

    argv: tuple[str, ...]
    may_fail: bool = False

    @property
    def line(self) -> str:
        """The command as this system's shell takes it."""
        return subprocess.list2cmdline(self.argv) if sys.platform == "win32" else shlex.join(self.argv)


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A file to write."""

    path: Path
    text: str
    encoding: str = "utf-8"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """Everything about a service: its files, and what is run after they are written and around their removal."""

    files: tuple[ServiceFile, ...]
    start: tuple[Command, ...]
    stop: tuple[Command, ...]
    forget: tuple[Command, ...]
    status: Command
    note: str = ""


def command(*argv: str, may_fail: bool = False) -> Command:
    """Return a command of these words."""
    return Command(argv, may_fail)
