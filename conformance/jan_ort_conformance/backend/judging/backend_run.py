"""Run the checks of a level on one backend, each in a process of its own or all in this one."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

from jan_ort_backends import ABI, Capability
from jan_ort_conformance.backend.check_tools.backend_check import BackendCheck
from jan_ort_conformance.backend.checks import select
from jan_ort_conformance.backend.isolation.first_opening import expect_model
from jan_ort_conformance.backend.judging.backend_judge import judge_backend_check
from jan_ort_conformance.backend.judging.isolated_check import judge_in_child
from jan_ort_conformance.backend.subject import Subject
from jan_ort_conformance.verdicts.results import Case, Results
from jan_ort_conformance.verdicts.skips import Skips
from jan_ort_conformance.verdicts.verdict import Level, Verdict

TIME_LIMIT_S = 120.0


def run_backend(
    subject: Subject,
    *,
    level: Level = Level.FULL,
    only: tuple[str, ...] = (),
    skips: Skips | None = None,
    time_limit_s: float | None = TIME_LIMIT_S,
    num_jobs: int = 1,
    tell: Callable[[Case], None] = lambda case: None,
) -> Results:
    """Judge the subject; ``tell`` is called with each case, in order, as soon as it is there.

    ``time_limit_s`` None runs everything in this process, one after another: quicker, and at the backend's mercy.
    Raises: PatternError if a pattern of ``only`` matches no check of the level; ModelError if the backend refuses the
    model, which is opened once before the checks, or never comes back from opening it.
    """
    known_issues = skips or Skips()
    chosen = select(level, only)
    results = Results("backend", subject.backend.name, _about(subject, level))
    results.warnings += expect_model(subject, time_limit_s)
    try:
        for case in _cases(chosen, subject, known_issues, time_limit_s, num_jobs):
            results.add(case)
            tell(case)
    except KeyboardInterrupt:
        results.interrupt()
    results.warnings += known_issues.warnings(case.id for case in results.cases)
    results.warnings += _not_judged(subject, chosen, results.cases)
    return results


def _not_judged(subject: Subject, chosen: list[BackendCheck], cases: list[Case]) -> list[str]:
    """Warn of each kind of model that the backend declares, and of which the one that was opened is none."""
    told = []
    for kind in (Capability.GENERATE, Capability.EMBED):
        ids = {check.id for check in chosen if kind in check.needs[:1]}
        declined = [case.detail for case in cases if case.id in ids and case.verdict is Verdict.UNSUPPORTED]
        if declined and len(declined) == len(ids) and kind in subject.backend.capabilities:
            told.append(f"no model that can {kind.value} was judged: {declined[0]}; name such a one by --model")
    return told


def _cases(
    chosen: list[BackendCheck], subject: Subject, skips: Skips, time_limit_s: float | None, num_jobs: int
) -> Iterator[Case]:
    def one(check: BackendCheck) -> Case:
        skip = skips.of(check.id)
        if skip is not None:
            return Case(check.id, Verdict.SKIP, check.level, str(skip), subject.repeat(check.id, check.level))
        if time_limit_s is None:
            return judge_backend_check(check, subject)
        return judge_in_child(check, subject, time_limit_s)

    if time_limit_s is None:
        yield from map(one, chosen)
        return
    with ThreadPoolExecutor(num_jobs) as threads:  # each thread waits for a child of its own
        yield from threads.map(one, chosen)


def _about(subject: Subject, level: Level) -> dict[str, str]:
    exact = subject.tolerances
    return {
        "level": level.value,
        "model": str(subject.model_dir),
        "target": subject.target,
        "declares": ", ".join(sorted(str(flag) for flag in subject.backend.capabilities)),
        "options": ", ".join(f"{name}={value}" for name, value in subject.extra.items()) or "none",
        "tolerances": f"same kind {exact.same_kind:g}, other kind {exact.other_kind:g}, vectors {exact.vectors:g}",
        "interface": ABI,
        "jan-ort": metadata.version("jan-ort"),
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
