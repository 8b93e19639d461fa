"""The skip file: known issues by case id, each with its URL and the day on which it runs out."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any


class SkipFileError(ValueError):
    """Raised when a skip file cannot be read; the message names the file and what it lacks."""


@dataclass(frozen=True, slots=True)
class Skip:
    """A known issue: ``pattern`` is a case id or a shell pattern of ids; it holds until the end of ``expires``."""

    pattern: str
    url: str
    expires: date
    reason: str = ""

    def covers(self, case_id: str) -> bool:
        """Whether the id matches."""
        return fnmatchcase(case_id, self.pattern)

    def __str__(self) -> str:
        return f"known issue {self.url} until {self.expires}: {self.reason}".removesuffix(": ")


@dataclass(frozen=True, slots=True)
class Skips:
    """The entries of a skip file that hold today, and those that have run out."""

    current: tuple[Skip, ...] = ()
    expired: tuple[Skip, ...] = ()

    def of(self, case_id: str) -> Skip | None:
        """Return the entry that covers the case, if one does."""
        return next((skip for skip in self.current if skip.covers(case_id)), None)

    def warnings(self, case_ids: Iterable[str]) -> list[str]:
        """Return a line for each entry that has run out, or that matches no case of the run."""
        known = list(case_ids)
        lines = [
            f"the skip of {skip.pattern!r} ran out on {skip.expires} and is not applied; see {skip.url}"
            for skip in self.expired
        ]
        return lines + [
            f"the skip of {skip.pattern!r} matches no case of this run; correct or remove it"
            for skip in self.current
            if not any(skip.covers(case_id) for case_id in known)
        ]


def read_skips(path: Path, today: date) -> Skips:
    """Read a TOML file of ``[[skip]]`` tables with id, url, expires (a date) and, if wished, reason.

    Raises: SkipFileError.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        _require_known(document, {"skip"}, "the file")
        tables = document.get("skip", [])
        skips = [_skip(table) for table in tables]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError, TypeError, AttributeError) as error:
        raise SkipFileError(
            f"{path}: {error}; each [[skip]] needs id, url and expires, e.g. expires = 2030-01-31"
        ) from error
    return Skips(
        tuple(skip for skip in skips if skip.expires >= today),
        tuple(skip for skip in skips if skip.expires < today),
    )


def _require_known(table: dict[str, Any], known: set[str], where: str) -> None:
    """Hold that a table has no other names: a misspelt one would be no skip at all, or one without its reason."""
    unknown = sorted(table.keys() - known)
    if unknown:
        raise ValueError(f"{where} has {', '.join(map(repr, unknown))}; known are {', '.join(sorted(known))}")


def _skip(table: dict[str, Any]) -> Skip:
    _require_known(table, {"id", "url", "expires", "reason"}, repr(table.get("id", "an entry")))
    missing = {"id", "url", "expires"} - table.keys()
    if missing:
        raise ValueError(f"{table.get('id', 'an entry')!r} has no {', '.join(sorted(missing))}")
    expires = table["expires"]
    if type(expires) is not date:
        raise ValueError(f"{table['id']!r}: expires is {expires!r}, not a date")
    return Skip(str(table["id"]), str(table["url"]), expires, str(table.get("reason", "")))
