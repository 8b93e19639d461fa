"""Cases, and what a whole run came to: what both kits produce and every report shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jan_ort_conformance.verdicts.verdict import Level, Verdict

SCHEMA_VERSION = "1.4"
"""Version of ``results.json``; described by results.schema.json beside this module."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was asked and its verdict.

    ``id`` is stable between runs and versions ("stop.never_leaks"); ``detail`` says what was seen, with the remedy
    where there is one; ``repeat`` is the shell line that asks the same again. ``asked`` and ``came`` are the last
    request and what was answered, both whole unless they are very long.
    where there is one; ``repeat`` is the shell line that asks the same again. ``profile`` is the surface that it is
    about, where that is one that a server may have or not.
    """

    id: str
    verdict: Verdict
    level: Level = Level.CORE
    detail: str = ""
    repeat: str = ""
    duration_s: float = 0.0
    asked: str = ""
    came: str = ""
    profile: str = ""

    def told(self, change: Callable[[str], str]) -> Case:
        """Return the case with each of its texts changed."""
        detail, repeat, asked, came = map(change, (self.detail, self.repeat, self.asked, self.came))
        return replace(self, detail=detail, repeat=repeat, asked=asked, came=came)


@dataclass(frozen=True, slots=True)
class FuzzedOperation:
    """The requests that schemathesis sent to one operation.

    ``operation`` is its name in case ids; ``phases`` how many requests each phase sent; ``num_valid`` of them were
    valid, and ``num_served`` of the valid ones were answered 2xx. ``digest`` is that of all of them in order: two runs
    with the same digest sent the same.
    """

    operation: str
    phases: Mapping[str, int]
    num_valid: int
    num_served: int
    digest: str

    @property
    def num_requests(self) -> int:
        """The requests of all phases."""
        return sum(self.phases.values())


@dataclass(frozen=True, slots=True)
class Fuzzing:
    """What schemathesis sent in a run; ``max_examples`` bounds the phase fuzzing of each operation."""

    seed: int
    max_examples: int
    operations: list[FuzzedOperation]

    @property
    def num_requests(self) -> int:
        """The requests to all operations."""
        return sum(each.num_requests for each in self.operations)

    def phases(self) -> dict[str, int]:
        """Return how many requests each phase sent to all operations."""
        counted: Counter[str] = Counter()
        for each in self.operations:
            counted.update(each.phases)
        return dict(counted)


@dataclass(slots=True)
class Results:
    """A run: ``kit`` is "http" or "backend", ``subject`` what was judged, ``about`` how (seed, versions, level).

    ``fuzzing`` is None where nothing was fuzzed; ``is_interrupted`` whether its user ended it.
    """

    kit: str
    subject: str
    about: Mapping[str, str] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fuzzing: Fuzzing | None = None
    is_interrupted: bool = False

    def interrupt(self) -> None:
        """Say that the run was ended by its user: what is there was judged, and nothing else."""
        self.is_interrupted = True
        self.warnings.append("interrupted: what comes after the last case was not judged")

    def add(self, case: Case) -> None:
        """Append a case."""
        self.cases.append(case)

    def told(self, change: Callable[[str], str]) -> Results:
        """Return the run with each text that is published changed."""
        return replace(
            self,
            subject=change(self.subject),
            about={name: change(value) for name, value in self.about.items()},
            cases=[case.told(change) for case in self.cases],
            warnings=[change(warning) for warning in self.warnings],
        )

    def counts(self) -> dict[Verdict, int]:
        """Return how many cases have each verdict; every verdict is there, in the order of their definition."""
        counted = Counter(case.verdict for case in self.cases)
        return {verdict: counted[verdict] for verdict in Verdict}

    @property
    def exit_status(self) -> int:
        """0 when there are cases and none of them is FAIL or LIES, otherwise 1."""
        return int(not self.cases or any(case.verdict.is_bad for case in self.cases))

    @property
    def duration_s(self) -> float:
        """The seconds of all cases together."""
        return sum(case.duration_s for case in self.cases)

    def to_json(self) -> str:
        """Return ``results.json``, as results.schema.json describes it."""
        document = {
            "schema_version": SCHEMA_VERSION,
            "kit": self.kit,
            "subject": self.subject,
            "about": dict(self.about),
            "counts": {verdict.value: count for verdict, count in self.counts().items()},
            "exit_status": self.exit_status,
            "interrupted": self.is_interrupted,
            "duration_s": round(self.duration_s, 3),
            "warnings": self.warnings,
            "fuzzing": _fuzzing_document(self.fuzzing),
            "cases": [asdict(case) | {"duration_s": round(case.duration_s, 4)} for case in self.cases],
        }
        return json.dumps(document, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Results:
        """Return the run that ``to_json`` wrote. Raises: ValueError for another schema version or verdict."""
        document = json.loads(text)
        version = str(document.get("schema_version"))
        if version.partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            raise ValueError(f"the results are of schema version {version}; this kit reads {SCHEMA_VERSION}")
        return cls(
            document["kit"],
            document["subject"],
            document["about"],
            [_case(each) for each in document["cases"]],
            document["warnings"],
            _fuzzing(document.get("fuzzing")),
            bool(document.get("interrupted")),
        )


def _case(document: Mapping[str, Any]) -> Case:
    return Case(
        id=document["id"],
        verdict=Verdict(document["verdict"]),
        level=Level(document["level"]),
        detail=document["detail"],
        repeat=document["repeat"],
        duration_s=document["duration_s"],
        asked=document.get("asked", ""),
        came=document.get("came", ""),
        profile=document.get("profile", ""),
    )


def _fuzzing_document(fuzzing: Fuzzing | None) -> dict[str, Any] | None:
    if fuzzing is None:
        return None
    totals = {"num_requests": fuzzing.num_requests, "phases": fuzzing.phases()}
    operations = [asdict(each) | {"num_requests": each.num_requests} for each in fuzzing.operations]
    return {"seed": fuzzing.seed, "max_examples": fuzzing.max_examples} | totals | {"operations": operations}


def _fuzzing(document: Mapping[str, Any] | None) -> Fuzzing | None:
    if document is None:
        return None
    operations = [
        FuzzedOperation(**{key: value for key, value in each.items() if key != "num_requests"})
        for each in document["operations"]
    ]
    return Fuzzing(document["seed"], document["max_examples"], operations)


def by_theme(cases: Sequence[Case]) -> dict[str, list[Case]]:
    """Group cases by profile, or else by their id before the first dot, in the order in which these appear."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.profile or case.id.partition(".")[0], []).append(case)
    return groups


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, which has an s unless it is one."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
