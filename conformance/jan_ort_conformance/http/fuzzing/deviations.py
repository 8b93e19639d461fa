"""The known differences between a server and the bundled document without our overlay: a listed, checked set."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import resources

from jan_ort_conformance.verdicts.results import counted


@dataclass(frozen=True, slots=True)
class Deviation:
    """One listed difference: failures of ``check`` at paths like ``path`` whose text matches ``matches``."""

    id: str
    path: str
    check: str
    matches: str
    why: str

    def covers(self, path: str, check: str, detail: str) -> bool:
        """Whether a failure is this difference."""
        return fnmatchcase(path, self.path) and check == self.check and re.search(self.matches, detail) is not None


@dataclass(slots=True)
class Deviations:
    """The list, and which of it have been seen in this run."""

    listed: tuple[Deviation, ...]
    seen: set[str] = field(default_factory=set)

    @classmethod
    def read(cls) -> Deviations:
        """Read deviations.json beside this module."""
        text = resources.files(__package__).joinpath("deviations.json").read_text(encoding="utf-8")
        return cls(tuple(Deviation(**each) for each in json.loads(text)["deviations"]))

    def sort_out(self, path: str, check: str, failures: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str]:
        """Return the failures that are not listed, and a line about those that are."""
        rest = []
        found: dict[str, int] = {}
        for detail, repeat in failures:
            deviation = next((each for each in self.listed if each.covers(path, check, detail)), None)
            if deviation is None:
                rest.append((detail, repeat))
            else:
                found[deviation.id] = found.get(deviation.id, 0) + 1
        self.seen |= found.keys()
        return rest, ", ".join(
            f"deviates {counted(count, 'time')} as listed in {name}" for name, count in found.items()
        )

    def unseen(self) -> list[str]:
        """Return a line for each listed difference that did not show."""
        return [
            f"the listed deviation {each.id} was not seen; it may have been mended"
            for each in self.listed
            if each.id not in self.seen
        ]
