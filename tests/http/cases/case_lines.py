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

LEFT = {
    **dict.fromkeys(("H01", "H02", "H04", "H05", "H06", "H12", "H14"), "paths, bodies and addresses"),
    **dict.fromkeys(("A1", "A2", "A3", "A5", "A6", "A7", "A8"), "browsers and networks"),
    **dict.fromkeys(("P12", "D7", "E2"), "text that names control tokens, and thoughts"),
    **dict.fromkeys(("G4", "H1", "H2", "H3"), "operations that the document does not have"),
}
"""Lines without a test here, with what they are about."""


def lines(name: str) -> list[Line]:
    """Return all lines of a file."""
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


class Checks:
    """The checks of one file's lines, by their ids; each line has one, or is ``LEFT``."""

    def __init__(self, name: str) -> None:
        self.lines = lines(name)
        self._by_id: dict[str, Check] = {}

    def of(self, *ids: str) -> Callable[[Check], Check]:
        """Register a check for these lines."""

        def register(check: Check) -> Check:
            self._by_id.update(dict.fromkeys(ids, check))
            return check

        return register

    def parametrized(self) -> pytest.MarkDecorator:
        """Return the mark that runs a test on every line that is not left."""
        here = [line for line in self.lines if line["id"] not in LEFT]
        return pytest.mark.parametrize("line", here, ids=[line["id"] for line in here])

    async def run(self, client: Client, line: Line) -> None:
        """Run a line's check."""
        await self._by_id[line["id"]](client, line)

    def uncovered(self) -> set[str]:
        """Return the ids that have neither a check nor a reason, or both."""
        return {line["id"] for line in self.lines} ^ (
            self._by_id.keys() ^ (LEFT.keys() & {x["id"] for x in self.lines})
        )
