"""The lines of ``tests/fixtures/client_cases``: what clients of other servers sent, and what is right."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.http.handlers.serving import Client

FOLDER = Path(__file__).parents[2] / "fixtures" / "client_cases"
Line = dict[str, Any]
Check = Callable[[Client, Line], Awaitable[None]]

NETWORK = frozenset(("H01", "H02", "H04", "H05", "H06", "H12", "H14", "A1", "A2", "A3", "A5", "A6", "A7", "A8"))
"""Lines about paths, headers and addresses, which test_network_lines.py has."""


def lines(name: str) -> list[Line]:
    """Return all lines of a file."""
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


class Checks:
    """The checks of lines by their ids: those of the ``NETWORK``, or the others; each has one."""

    def __init__(self, *names: str, of_network: bool = False) -> None:
        self.lines = [line for name in names for line in lines(name) if (line["id"] in NETWORK) == of_network]
        self._by_id: dict[str, Check] = {}

    def of(self, *ids: str) -> Callable[[Check], Check]:
        """Register a check for these lines."""

        def register(check: Check) -> Check:
            self._by_id.update(dict.fromkeys(ids, check))
            return check

        return register

    def parametrized(self) -> pytest.MarkDecorator:
        """Return the mark that runs a test on every line."""
        return pytest.mark.parametrize("line", self.lines, ids=[line["id"] for line in self.lines])

    async def run(self, client: Client, line: Line) -> None:
        """Run a line's check."""
        await self._by_id[line["id"]](client, line)

    def uncovered(self) -> set[str]:
        """Return the ids of lines without a check, and of checks without a line."""
        return {line["id"] for line in self.lines} ^ self._by_id.keys()


COMPLAINTS = Checks("complaints.jsonl")
"""Those of ``complaints``, a file for each theme."""
